#include "proto/grpc_log.h"

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/log.h"
#include "grpc/support/log.h"

namespace gantry {
namespace {

constexpr absl::Duration kSilence = absl::Seconds(10);
constexpr size_t kMaxRemembered = 64;

// Tells whether a text has not been passed within kSilence.
class Repetitions {
 public:
  bool IsNew(const std::string& text) {
    const absl::Duration now = Clock::Real()->Now();
    absl::MutexLock lock(&mutex_);
    if (passed_.size() >= kMaxRemembered) passed_.clear();
    const auto [entry, added] = passed_.try_emplace(text, now);
    if (!added && now - entry->second < kSilence) return false;
    entry->second = now;
    return true;
  }

 private:
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, absl::Duration> passed_ ABSL_GUARDED_BY(mutex_);
};

// Text up to the attributes that gRPC adds to an error in braces.
absl::string_view WithoutAttributes(absl::string_view text) {
  return text.substr(0, text.find(" {"));
}

void Log(gpr_log_func_args* args) {
  static Repetitions* const repetitions = new Repetitions();
  const std::string text =
      DescribeGrpcMessage(args->message, args->severity == GPR_LOG_SEVERITY_ERROR);
  if (!text.empty() && repetitions->IsNew(text)) LogWarning(text);
}

}  // namespace

std::string DescribeGrpcMessage(absl::string_view message, bool is_error) {
  constexpr absl::string_view kHandshake = "Security handshake failed: ";
  if (absl::ConsumePrefix(&message, kHandshake)) {
    absl::string_view reason = WithoutAttributes(message);
    absl::ConsumePrefix(&reason, "UNKNOWN:");
    if (absl::StartsWith(reason, "Handshake read failed")) {
      reason = "the peer broke it off; it may not trust this certificate";
    }
    return absl::StrCat("TLS handshake failed: ", reason);
  }
  // It says the same as the message above, less or more.
  if (absl::StrContains(message, "andshak") || !is_error) return "";
  return absl::StrCat("gRPC: ", WithoutAttributes(message));
}

void RouteGrpcLog() {
  // Failed handshakes are among what gRPC takes for debugging.
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_DEBUG);
  gpr_set_log_function(Log);
}

}  // namespace gantry
