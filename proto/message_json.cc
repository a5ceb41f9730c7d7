#include "proto/message_json.h"

#include <charconv>
#include <cmath>
#include <string>

namespace gantry {
namespace {

template <typename Repeated>
Json StringsJson(const Repeated& strings) {
  Json list = Json::array();
  for (const std::string& text : strings) list.push_back(text);
  return list;
}

template <typename Repeated>
Json TopJson(const Repeated& top) {
  Json list = Json::array();
  for (const v1::TopLogprob& one : top) {
    list.push_back(Json{
        {"token_id", one.token_id()}, {"logprob", FloatJson(one.logprob())}, {"text", one.text()}});
  }
  return list;
}

Json WorkerJson(const v1::WorkerStatus& worker) {
  return Json{{"name", worker.name()},
              {"address", worker.address()},
              {"device", worker.device()},
              {"modules", StringsJson(worker.modules())},
              {"predicted_bytes", worker.predicted_bytes()},
              {"measured_bytes", worker.measured_bytes()},
              {"resident_bytes", worker.resident_bytes()},
              {"memory_bytes", worker.memory_bytes()},
              {"read_bytes_per_s", worker.read_bytes_per_s()},
              {"loaded", worker.loaded()},
              {"threads", worker.threads()},
              {"isa", worker.isa()},
              {"description", worker.description()}};
}

Json StageJson(const v1::StageStatus& stage) {
  return Json{{"index", stage.index()},
              {"modules", StringsJson(stage.modules())},
              {"worker", stage.worker()},
              {"scheme", stage.scheme()},
              {"step_ms", stage.step_ms()},
              {"steps", stage.steps()},
              {"predicted_ms", stage.predicted_ms()},
              {"device", stage.device()},
              {"predicted_bytes", stage.predicted_bytes()},
              {"measured_bytes", stage.measured_bytes()},
              {"predicted_tokens_per_s", stage.predicted_tokens_per_s()},
              {"tokens_per_s", stage.tokens_per_s()}};
}

template <typename Repeated>
Json StageTracesJson(const Repeated& stages) {
  Json list = Json::array();
  for (const v1::StageTrace& stage : stages) {
    list.push_back(Json{{"queued_s", stage.queued_s()}, {"computed_s", stage.computed_s()}});
  }
  return list;
}

Json PhaseJson(const v1::PhaseTrace& phase) {
  return Json{{"seconds", phase.seconds()},       {"idle_s", phase.idle_s()},
              {"steps", phase.steps()},           {"steps_s", phase.steps_s()},
              {"transfer_s", phase.transfer_s()}, {"stages", StageTracesJson(phase.stages())}};
}

Json TraceStepJson(const v1::TraceStep& step) {
  return Json{{"sent_s", step.sent_s()},         {"seconds", step.seconds()},
              {"tokens", step.tokens()},         {"step_tokens", step.step_tokens()},
              {"transfer_s", step.transfer_s()}, {"stages", StageTracesJson(step.stages())}};
}

Json CountersJson(const v1::Counters& counters) {
  return Json{{"requests_running", counters.requests_running()},
              {"requests_waiting", counters.requests_waiting()},
              {"requests_finished", counters.requests_finished()},
              {"requests_failed", counters.requests_failed()},
              {"requests_cancelled", counters.requests_cancelled()},
              {"requests_rejected", counters.requests_rejected()},
              {"requests_recovered", counters.requests_recovered()},
              {"prompt_tokens", counters.prompt_tokens()},
              {"prompt_tokens_shared", counters.prompt_tokens_shared()},
              {"prefix_cache_queries", counters.prefix_cache_queries()},
              {"generated_tokens", counters.generated_tokens()},
              {"preemptions", counters.preemptions()},
              {"replayed_tokens", counters.replayed_tokens()},
              {"steps", counters.steps()},
              {"steps_in_flight", counters.steps_in_flight()},
              {"kv_blocks_total", counters.kv_blocks_total()},
              {"kv_blocks_used", counters.kv_blocks_used()},
              {"decode_tokens_per_s", counters.decode_tokens_per_s()}};
}

}  // namespace

Json FloatJson(float value) {
  if (!std::isfinite(value)) return Json(nullptr);
  char digits[32];
  const char* end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  double wide = 0;
  std::from_chars(digits, end, wide);
  return Json(wide);
}

Json TokenJson(const v1::GeneratedToken& token, bool logprobs) {
  Json json{{"index", token.index()}, {"token_id", token.token_id()}, {"text", token.text()}};
  if (!logprobs) return json;
  json["logprob"] = FloatJson(token.logprob());
  if (token.top_logprobs_size() > 0) json["top_logprobs"] = TopJson(token.top_logprobs());
  return json;
}

Json FinishJson(const v1::Finish& finish) {
  return Json{{"finish_reason", std::string(FinishReasonName(finish.reason()))},
              {"text", finish.text()},
              {"prompt_tokens", finish.prompt_tokens()},
              {"completion_tokens", finish.completion_tokens()},
              {"time_to_first_token_s", finish.time_to_first_token_s()},
              {"tokens_per_s", finish.tokens_per_s()},
              {"queue_s", finish.queue_s()},
              {"prefill_s", finish.prefill_s()},
              {"decode_s", finish.decode_s()}};
}

Json ScoreJson(const v1::ScoreResponse& response, bool top) {
  Json ids = Json::array();
  Json logprobs = Json::array();
  Json alternatives = Json::array();
  for (const v1::ScoredToken& token : response.tokens()) {
    ids.push_back(token.token_id());
    logprobs.push_back(token.has_logprob() ? FloatJson(token.logprob()) : Json(nullptr));
    alternatives.push_back(token.has_logprob() ? TopJson(token.top_logprobs()) : Json(nullptr));
  }
  Json json{{"token_ids", std::move(ids)}, {"logprobs", std::move(logprobs)}};
  if (top) json["top"] = std::move(alternatives);
  return json;
}

Json StatusJson(const v1::GetStatusResponse& status) {
  Json workers = Json::array();
  for (const v1::WorkerStatus& worker : status.workers()) workers.push_back(WorkerJson(worker));
  Json stages = Json::array();
  for (const v1::StageStatus& stage : status.stages()) stages.push_back(StageJson(stage));
  // The protobuf map has no order; the stages have the model's.
  Json device_map = Json::object();
  for (const v1::StageStatus& stage : status.stages()) {
    for (const std::string& module : stage.modules()) {
      const auto found = status.device_map().find(module);
      if (found != status.device_map().end()) device_map[module] = found->second;
    }
  }
  for (const auto& [module, worker] : status.device_map()) device_map[module] = worker;
  return Json{
      {"ready", status.ready()},
      {"reason", status.reason()},
      {"epoch", status.epoch()},
      {"model", status.model()},
      {"context", status.context()},
      {"vocab_size", status.vocab_size()},
      {"version", status.version()},
      {"workers", std::move(workers)},
      {"stages", std::move(stages)},
      {"device_map", std::move(device_map)},
      {"predicted", Json{{"decode_tokens_per_s", status.predicted_decode_tokens_per_s()},
                         {"prefill_tokens_per_s", status.predicted_prefill_tokens_per_s()}}},
      {"counters", CountersJson(status.counters())}};
}

Json TraceJson(const v1::RequestTrace& trace, bool steps) {
  const std::string& reason = trace.finished_reason();
  Json json{{"request_id", trace.request_id()},
            {"client", trace.client()},
            {"arrived", trace.arrived()},
            {"finished_reason", reason.empty() ? Json(nullptr) : Json(reason)},
            {"error", trace.error()},
            {"n", trace.n()},
            {"prompt_tokens", trace.prompt_tokens()},
            {"shared_prompt_tokens", trace.shared_prompt_tokens()},
            {"completion_tokens", trace.completion_tokens()},
            {"preemptions", trace.preemptions()},
            {"recoveries", trace.recoveries()},
            {"queue_s", trace.queue_s()},
            {"prefill", PhaseJson(trace.prefill())},
            {"decode", PhaseJson(trace.decode())}};
  if (!steps) return json;
  json["steps"] = Json::array();
  for (const v1::TraceStep& step : trace.steps()) json["steps"].push_back(TraceStepJson(step));
  json["steps_before_gap"] = trace.steps_before_gap();
  json["steps_left_out"] = trace.steps_left_out();
  return json;
}

absl::string_view FinishReasonName(v1::FinishReason reason) {
  switch (reason) {
    case v1::FINISH_REASON_STOP:
      return "stop";
    case v1::FINISH_REASON_LENGTH:
      return "length";
    default:
      return "unspecified";
  }
}

}  // namespace gantry
