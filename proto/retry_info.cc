#include "proto/retry_info.h"

#include "absl/strings/cord.h"
#include "proto/details.pb.h"

namespace gantry {
namespace {

constexpr char kTypeUrl[] = "type.googleapis.com/google.rpc.RetryInfo";
constexpr int32_t kNanosPerSecond = 1000000000;

}  // namespace

void SetRetryDelay(absl::Duration delay, absl::Status* status) {
  v1::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(delay));
  info.mutable_retry_delay()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(delay % absl::Seconds(1))));
  status->SetPayload(kTypeUrl, absl::Cord(info.SerializeAsString()));
}

std::optional<absl::Duration> GetRetryDelay(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kTypeUrl);
  v1::RetryInfo info;
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) return std::nullopt;
  const int64_t seconds = info.retry_delay().seconds();
  const int32_t nanos = info.retry_delay().nanos();
  if (seconds < 0 || nanos < 0 || nanos >= kNanosPerSecond) return std::nullopt;
  return absl::Seconds(seconds) + absl::Nanoseconds(nanos);
}

}  // namespace gantry
