#include "coordinator/membership.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/version.h"

namespace gantry {
namespace {

constexpr size_t kMaxNameBytes = 128;
constexpr size_t kMaxFieldBytes = 4096;
constexpr uint64_t kMaxMemoryBytes = uint64_t{1} << 60;

// Names appear in device maps, logs and errors.
bool IsName(absl::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == ':' || c == '@';
  });
}

absl::Status CheckHello(const v1::Hello& hello) {
  if (hello.protocol_version() != kProtocolVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the coordinator (version ", kVersion, ") speaks protocol ", kProtocolVersion,
                     ", the worker (version ", hello.version(), ") protocol ",
                     hello.protocol_version(), "; install the same release on both"));
  }
  if (!IsName(hello.name())) {
    return absl::InvalidArgumentError(absl::StrCat("name: expected 1 to ", kMaxNameBytes,
                                                   " letters, digits and any of -_.:@, found ",
                                                   hello.name().size(), " bytes"));
  }
  if (hello.instance().empty()) return absl::InvalidArgumentError("instance: expected one");
  if (hello.endpoint().address().empty()) {
    return absl::InvalidArgumentError("endpoint.address: expected HOST:PORT, found nothing");
  }
  for (const std::string* field :
       {&hello.instance(), &hello.endpoint().address(), &hello.endpoint().unix_path(),
        &hello.endpoint().host_id(), &hello.device().device(), &hello.device().description(),
        &hello.device().isa(), &hello.version()}) {
    if (field->size() > kMaxFieldBytes) {
      return absl::InvalidArgumentError("hello: a field is longer than 4096 bytes");
    }
  }
  if (hello.device().memory_bytes() > kMaxMemoryBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "device.memory_bytes: expected at most 2^60, found ", hello.device().memory_bytes()));
  }
  // Written so that NaN fails.
  if (!(hello.device().read_bytes_per_s() >= 0 && hello.device().read_bytes_per_s() < 1e18)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "device.read_bytes_per_s: expected 0 to 1e18, found ", hello.device().read_bytes_per_s()));
  }
  return absl::OkStatus();
}

}  // namespace

Membership::Membership(const Clock* clock, absl::Duration lease, std::function<void()> on_change)
    : clock_(clock), lease_(lease), on_change_(std::move(on_change)) {}

absl::StatusOr<uint64_t> Membership::Join(const v1::Hello& hello,
                                          std::function<void(absl::Status)> end) {
  GANTRY_RETURN_IF_ERROR(CheckHello(hello));
  std::function<void(absl::Status)> end_old;
  uint64_t session;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Duration now = clock_->Now();
    if (const auto old = entries_.find(hello.name()); old != entries_.end()) {
      const bool same = old->second.member.hello.instance() == hello.instance();
      if (!same && now - old->second.renewed < lease_) {
        return absl::AlreadyExistsError(absl::StrCat(
            "a worker named ", hello.name(), " at ", old->second.member.hello.endpoint().address(),
            " is already here; give this one another --name, or stop the other"));
      }
      end_old =
          Remove(old, same ? "it joined again" : "its lease ran out and another took its name");
    }
    session = ++last_session_;
    Entry& entry = entries_[hello.name()];
    entry.member = {session, hello, {}};
    entry.end = std::move(end);
    entry.renewed = now;
  }
  if (end_old) end_old(absl::AbortedError("another stream of this name took over"));
  on_change_();
  return session;
}

void Membership::Renew(uint64_t session, const v1::Progress& progress) {
  absl::MutexLock lock(&mutex_);
  const auto found = Find(session);
  if (found == entries_.end()) return;
  found->second.renewed = clock_->Now();
  found->second.member.progress = progress;
}

void Membership::Leave(uint64_t session, absl::string_view reason) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = Find(session);
    if (found == entries_.end()) return;
    Remove(found, reason);
  }
  on_change_();
}

void Membership::Refuse(uint64_t session, const absl::Status& why) {
  std::function<void(absl::Status)> end;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = Find(session);
    if (found == entries_.end()) return;
    end = Remove(found, why.message());
  }
  end(why);
  on_change_();
}

void Membership::ExpireLeases() {
  std::vector<std::function<void(absl::Status)>> ends;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Duration now = clock_->Now();
    for (auto it = entries_.begin(); it != entries_.end();) {
      const auto entry = it++;
      if (now - entry->second.renewed >= lease_) ends.push_back(Remove(entry, "its lease ran out"));
    }
  }
  for (const auto& end : ends) {
    end(absl::AbortedError(
        absl::StrCat("no progress within the lease of ", absl::FormatDuration(lease_))));
  }
  if (!ends.empty()) on_change_();
}

std::vector<Member> Membership::Members() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Member> members;
  for (const auto& [name, entry] : entries_) members.push_back(entry.member);
  return members;
}

std::vector<Departure> Membership::TakeDepartures() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(departures_, {});
}

std::function<void(absl::Status)> Membership::Remove(std::map<std::string, Entry>::iterator entry,
                                                     absl::string_view reason) {
  departures_.push_back({entry->second.member.session, entry->first, std::string(reason)});
  std::function<void(absl::Status)> end = std::move(entry->second.end);
  entries_.erase(entry);
  return end;
}

std::map<std::string, Membership::Entry>::iterator Membership::Find(uint64_t session) {
  return std::find_if(entries_.begin(), entries_.end(), [session](const auto& entry) {
    return entry.second.member.session == session;
  });
}

}  // namespace gantry
