#include "coordinator/http/key_meter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "coordinator/http/http_error.h"

namespace gantry {
namespace {

constexpr absl::Duration kRetryConcurrent = absl::Seconds(1);

absl::Status Exceeded(const std::string& name, absl::string_view limit, absl::Duration wait) {
  return WithRetryAfter(
      absl::ResourceExhaustedError(absl::StrCat("the key ", name, " is limited to ", limit)), wait);
}

// Until the bucket holds `wanted`.
absl::Duration TimeTo(double wanted, double level, int64_t per_minute) {
  return std::max(absl::Milliseconds(1), absl::Minutes(1) * ((wanted - level) / per_minute));
}

}  // namespace

KeyUse::~KeyUse() { meter_->Release(name_); }

void KeyUse::Charge(int64_t tokens) { meter_->Charge(name_, tokens); }

KeyMeter::Key& KeyMeter::Find(const std::string& name) {
  const auto [it, fresh] = keys_.try_emplace(name);
  Key& key = it->second;
  if (fresh) {
    key.requests = {static_cast<double>(limits_.requests_per_minute), clock_->Now()};
    key.tokens = {static_cast<double>(limits_.tokens_per_minute), clock_->Now()};
  }
  return key;
}

void KeyMeter::Fill(int64_t per_minute, Bucket* bucket) const {
  const absl::Duration now = clock_->Now();
  const double more = per_minute * absl::FDivDuration(now - bucket->filled, absl::Minutes(1));
  bucket->level = std::min<double>(per_minute, bucket->level + more);
  bucket->filled = now;
}

absl::StatusOr<std::shared_ptr<KeyUse>> KeyMeter::Admit(const std::string& name, bool metered) {
  absl::MutexLock lock(&mutex_);
  Key& key = Find(name);
  if (metered && limits_.concurrent_requests > 0 && key.at_work >= limits_.concurrent_requests) {
    return Exceeded(name, absl::StrCat(limits_.concurrent_requests, " requests at once"),
                    kRetryConcurrent);
  }
  Fill(limits_.tokens_per_minute, &key.tokens);
  if (metered && limits_.tokens_per_minute > 0 && key.tokens.level <= 0) {
    return Exceeded(name, absl::StrCat(limits_.tokens_per_minute, " tokens a minute"),
                    TimeTo(1, key.tokens.level, limits_.tokens_per_minute));
  }
  Fill(limits_.requests_per_minute, &key.requests);
  if (metered && limits_.requests_per_minute > 0) {
    if (key.requests.level < 1) {
      return Exceeded(name, absl::StrCat(limits_.requests_per_minute, " requests a minute"),
                      TimeTo(1, key.requests.level, limits_.requests_per_minute));
    }
    key.requests.level -= 1;
  }
  ++key.at_work;
  return std::make_shared<KeyUse>(shared_from_this(), name);
}

void KeyMeter::Charge(const std::string& name, int64_t tokens) {
  absl::MutexLock lock(&mutex_);
  Find(name).tokens.level -= tokens;
}

void KeyMeter::Release(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  --Find(name).at_work;
}

}  // namespace gantry
