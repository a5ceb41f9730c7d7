#include "coordinator/request_log.h"

#include <utility>

#include "base/log.h"

namespace gantry {
namespace {

constexpr absl::Duration kBetweenRefusals = absl::Seconds(1);

LogFields FieldsOf(const RequestRecord& record, absl::string_view reason) {
  return {{"request_id", record.id},
          {"client", record.client},
          {"finished_reason", reason},
          {"prompt_tokens", record.prompt_tokens},
          {"shared_prompt_tokens", record.shared_tokens},
          {"completion_tokens", record.completion_tokens}};
}

}  // namespace

void RequestLog::OnRefuse(const RequestRecord& record, const absl::Status& why) {
  // The engine waits while a line is written, and whoever asks in vain may ask often.
  ++refused_;
  if (record.arrived < next_refusal_) return;
  next_refusal_ = record.arrived + kBetweenRefusals;
  LogFields fields = FieldsOf(record, "reject");
  fields.emplace_back("requests", std::exchange(refused_, 0));
  fields.emplace_back("error", ErrorOf(why));
  LogWarning("request refused", fields);
}

void RequestLog::OnEnd(const RequestRecord& record, const absl::Status& status) {
  LogFields fields = FieldsOf(record, FinishedReason(record, status));
  const RequestTimes times = TimesOf(record, record.ended, status.ok());
  fields.emplace_back("queue_s", absl::ToDoubleSeconds(times.queue));
  fields.emplace_back("prefill_s", absl::ToDoubleSeconds(times.prefill));
  fields.emplace_back("decode_s", absl::ToDoubleSeconds(times.decode));
  if (record.preemptions > 0) fields.emplace_back("preemptions", int64_t{record.preemptions});
  if (record.recoveries > 0) fields.emplace_back("recoveries", int64_t{record.recoveries});
  if (status.ok()) return LogInfo("request ended", fields);
  fields.emplace_back("error", ErrorOf(status));
  // What its client has called off is no failure.
  if (FinishedReason(record, status) == "abort") return LogInfo("request ended", fields);
  LogWarning("request failed", fields);
}

}  // namespace gantry
