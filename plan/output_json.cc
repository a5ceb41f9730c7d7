#include "plan/output_json.h"

#include "absl/strings/numbers.h"

namespace gantry {
namespace {

const char* ProblemName(PlanProblem problem) {
  switch (problem) {
    case PlanProblem::kMemory:
      return "memory";
    case PlanProblem::kOffloadFlag:
      return "llm_int8_enable_fp32_cpu_offload";
    case PlanProblem::kDisk:
      return "disk";
    case PlanProblem::kNone:
      break;
  }
  return nullptr;
}

Json DeviceToJson(const PlannerModel& model, const PlanResult& result, size_t d) {
  const HardwareDevice& device = result.hardware.devices[d];
  const DeviceLoad load = d < result.plan.loads.size() ? result.plan.loads[d] : DeviceLoad{};
  Json modules = Json::array();
  for (size_t u = 0; u < result.plan.device_of.size(); ++u) {
    if (result.plan.device_of[u] == static_cast<int>(d))
      modules.push_back(model.tree.units[u].name);
  }
  Json json;
  json["name"] = device.name;
  json["product"] = device.product;
  json["kind"] = device.kind == MemoryKind::kGpu ? "gpu" : "cpu";
  json["capacity_bytes"] = device.memory_bytes;
  json["weights_bytes"] = load.weights_bytes;
  json["kv_cache_bytes"] = load.kv_cache_bytes;
  json["activations_bytes"] = load.activations_bytes;
  json["overhead_bytes"] = load.overhead_bytes;
  json["free_bytes"] = load.used ? load.free_bytes() : device.memory_bytes;
  json["missing_bytes"] = load.missing_bytes();
  json["modules"] = std::move(modules);
  json["bandwidth_bytes_per_s"] = device.bytes_per_s;
  json["assumed_speed"] = device.assumed_speed;
  json["decode_s"] = load.decode_s;
  json["prefill_s"] = load.prefill_s;
  return json;
}

}  // namespace

Json DeviceMapToJson(const DeviceMap& map) {
  Json json = Json::object();
  for (const auto& [module, device] : map) {
    int number;
    if (absl::SimpleAtoi(device, &number)) {
      json[module] = number;
    } else {
      json[module] = device;
    }
  }
  return json;
}

Json PlanToJson(const PlannerModel& model, const PlanResult& result, const PlanReport& report) {
  Json json;
  json["model"] = model.name;
  json["fits"] = result.fits();
  const char* problem = ProblemName(result.problem);
  json["problem"] = problem == nullptr ? Json() : Json(problem);
  json["error"] = result.error.empty() ? Json() : Json(result.error);
  json["missing_bytes"] = result.missing_bytes;
  json["parameters"] = model.tree.parameters;
  json["format"] = FormatName(result.workload.format);
  json["context"] = result.workload.shape.context;
  json["batch"] = result.workload.shape.batch;
  json["device_map"] = DeviceMapToJson(result.device_map);
  json["exact"] = result.exact;
  json["devices"] = Json::array();
  for (size_t d = 0; d < result.hardware.devices.size(); ++d) {
    json["devices"].push_back(DeviceToJson(model, result, d));
  }
  const PlanPrediction& predicted = result.plan.predicted;
  Json& speed = json["predicted"];
  speed["decode_tokens_per_s"] = predicted.decode_tokens_per_s;
  speed["throughput_tokens_per_s"] = predicted.throughput_tokens_per_s;
  speed["batches_in_flight"] = predicted.batches_in_flight;
  speed["prefill_tokens_per_s"] = predicted.prefill_tokens_per_s;
  speed["time_to_first_token_s"] = predicted.time_to_first_token_s;
  json["max_context"] = report.max_context;
  json["explanation"] = report.explanation;
  json["suggestions"] = Json::array();
  for (const PlanSuggestion& suggestion : report.suggestions) {
    json["suggestions"].push_back(
        Json{{"change", suggestion.change}, {"command", suggestion.command}});
  }
  json["served"] = model.tree.served;
  return json;
}

}  // namespace gantry
