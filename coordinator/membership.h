#ifndef GANTRY_COORDINATOR_MEMBERSHIP_H_
#define GANTRY_COORDINATOR_MEMBERSHIP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "proto/registry.pb.h"

namespace gantry {

// A worker that is there.
struct Member {
  uint64_t session = 0;  // one for each Join; never used again
  v1::Hello hello;
  v1::Progress progress;  // the latest
};

// A worker that is there no more.
struct Departure {
  uint64_t session = 0;
  std::string name;
  std::string reason;  // "its stream ended", "its lease ran out"
};

// Which workers there are. A worker is one as long as its stream is open and it renews its lease;
// everything that decides on that is here. Thread-safe.
class Membership {
 public:
  // `on_change` is called, without a lock held, after a worker came or went.
  Membership(const Clock* clock, absl::Duration lease, std::function<void()> on_change);

  // Takes a worker in and returns its session. `end` is called at most once, from any thread and
  // without a lock held, when the worker is put out; it should end the stream with the given
  // status. FAILED_PRECONDITION for another protocol version; INVALID_ARGUMENT for a malformed
  // Hello; ALREADY_EXISTS while a worker of that name holds its lease, unless it is the same
  // process, whose earlier stream is then put out.
  absl::StatusOr<uint64_t> Join(const v1::Hello& hello, std::function<void(absl::Status)> end);
  // Renews the lease. Nothing for a session that has ended.
  void Renew(uint64_t session, const v1::Progress& progress);
  // The stream ended.
  void Leave(uint64_t session, absl::string_view reason);
  // Puts the worker out.
  void Refuse(uint64_t session, const absl::Status& why);
  // Puts out everyone whose lease has run out.
  void ExpireLeases();

  // By name.
  std::vector<Member> Members() const;
  // Who left since the last call.
  std::vector<Departure> TakeDepartures();
  absl::Duration lease() const { return lease_; }

 private:
  struct Entry {
    Member member;
    std::function<void(absl::Status)> end;
    absl::Duration renewed;
  };
  // Removes the entry and returns what ends its stream.
  std::function<void(absl::Status)> Remove(std::map<std::string, Entry>::iterator entry,
                                           absl::string_view reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::map<std::string, Entry>::iterator Find(uint64_t session)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock* const clock_;
  const absl::Duration lease_;
  const std::function<void()> on_change_;
  mutable absl::Mutex mutex_;
  uint64_t last_session_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);  // by name
  std::vector<Departure> departures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_MEMBERSHIP_H_
