#ifndef GANTRY_COORDINATOR_HTTP_KEY_METER_H_
#define GANTRY_COORDINATOR_HTTP_KEY_METER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "coordinator/http/http_options.h"

namespace gantry {

class KeyMeter;

// A request that a key was admitted with. While it exists it counts as one at work.
class KeyUse {
 public:
  KeyUse(std::shared_ptr<KeyMeter> meter, std::string name)
      : meter_(std::move(meter)), name_(std::move(name)) {}
  ~KeyUse();
  KeyUse(const KeyUse&) = delete;
  KeyUse& operator=(const KeyUse&) = delete;

  const std::string& name() const { return name_; }
  // Tokens of the prompt or the answer, once they are known.
  void Charge(int64_t tokens);

 private:
  const std::shared_ptr<KeyMeter> meter_;
  const std::string name_;
};

// Holds each key to its limits: buckets that fill at the limit's pace and hold a minute's worth.
// Tokens are charged when they are known, so that a bucket may run into debt by one request, which
// the next waits for. Thread-safe.
class KeyMeter : public std::enable_shared_from_this<KeyMeter> {
 public:
  KeyMeter(const KeyLimits& limits, const Clock* clock) : limits_(limits), clock_(clock) {}

  // RESOURCE_EXHAUSTED, with the time to wait (http_error.h), beyond a limit. `metered` requests
  // count and may be refused; others only name the key.
  absl::StatusOr<std::shared_ptr<KeyUse>> Admit(const std::string& name, bool metered);

 private:
  friend class KeyUse;
  struct Bucket {
    double level = 0;
    absl::Duration filled;
  };
  struct Key {
    Bucket requests;
    Bucket tokens;
    int64_t at_work = 0;
  };
  Key& Find(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fill(int64_t per_minute, Bucket* bucket) const;
  void Charge(const std::string& name, int64_t tokens);
  void Release(const std::string& name);

  const KeyLimits limits_;
  const Clock* const clock_;
  absl::Mutex mutex_;
  std::map<std::string, Key> keys_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_KEY_METER_H_
