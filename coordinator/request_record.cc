#include "coordinator/request_record.h"

#include <algorithm>

#include "base/utf8.h"

namespace gantry {
namespace {

constexpr size_t kMaxErrorBytes = 512;

}  // namespace

RequestTimes TimesOf(const RequestRecord& record, absl::Duration now, bool finished) {
  // The last token is there a moment before the request has ended.
  const absl::Duration end =
      finished ? std::min(record.last_token, record.ended) : std::min(now, record.ended);
  const absl::Duration started = std::min(record.started, end);
  const absl::Duration first_token = std::min(record.first_token, end);
  return {started - record.arrived, first_token - started, end - first_token};
}

absl::string_view FinishedReason(const RequestRecord& record, const absl::Status& status) {
  if (absl::IsCancelled(status) || absl::IsDeadlineExceeded(status)) return "abort";
  if (absl::IsResourceExhausted(status)) return "reject";
  if (!status.ok()) return "error";
  switch (record.reason) {
    case v1::FINISH_REASON_STOP:
      return "stop";
    case v1::FINISH_REASON_LENGTH:
      return "length";
    default:
      return "score";
  }
}

std::string ErrorOf(const absl::Status& status) {
  return ReplaceInvalidUtf8(status.message().substr(0, kMaxErrorBytes));
}

}  // namespace gantry
