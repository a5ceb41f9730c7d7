#include "plan/explain.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/bytes.h"

namespace gantry {
namespace {

// Beyond this many boundaries only the first ones are explained.
constexpr size_t kMaxBoundaries = 8;

uint64_t UnitBytes(const PlanCosts& costs, int unit, int device) {
  const int kind = costs.kind_of(device);
  return costs.weights[kind][unit] + costs.kv[kind][unit];
}

std::string ExplainBoundary(const ModelTree& tree, const PlanResult& result, const PlanStage& a,
                            const PlanStage& b) {
  const PlanCosts& costs = result.costs;
  const std::vector<HardwareDevice>& devices = result.hardware.devices;
  const std::string left = DeviceTitle(devices[a.device]);
  const std::string right = DeviceTitle(devices[b.device]);
  // What takes no time of its own goes with what follows or precedes it.
  int next = b.begin;
  while (next + 1 < b.end && costs.decode_of(b.device)[next] == 0) ++next;
  int previous = a.end - 1;
  while (previous > a.begin && costs.decode_of(a.device)[previous] == 0) --previous;
  uint64_t wanted_left = 0;
  for (int u = b.begin; u <= next; ++u) wanted_left += UnitBytes(costs, u, a.device);
  uint64_t wanted_right = 0;
  for (int u = previous; u < a.end; ++u) wanted_right += UnitBytes(costs, u, b.device);
  const DeviceLoad& load_left = result.plan.loads[a.device];
  const DeviceLoad& load_right = result.plan.loads[b.device];
  const std::string where = absl::StrCat(tree.units[previous].name, " | ", tree.units[next].name,
                                         " (", left, " | ", right, "): ");
  if (!result.searched) {
    return absl::StrCat(where, "as the map says; ", FormatBytes(load_left.free_bytes()), " and ",
                        FormatBytes(load_right.free_bytes()), " are free, and a step takes ",
                        FormatSeconds(load_left.decode_s), " and ",
                        FormatSeconds(load_right.decode_s));
  }
  if (load_left.free_bytes() < wanted_left) {
    return absl::StrCat(where, left, " is full: ", FormatBytes(load_left.free_bytes()),
                        " free, and ", tree.units[next].name, " takes ", FormatBytes(wanted_left));
  }
  if (load_right.free_bytes() < wanted_right) {
    return absl::StrCat(where, right, " is full: ", FormatBytes(load_right.free_bytes()),
                        " free, and ", tree.units[previous].name, " takes ",
                        FormatBytes(wanted_right));
  }
  const double on_left = costs.decode_of(a.device)[next];
  const double on_right = costs.decode_of(b.device)[next];
  if (std::abs(on_left - on_right) <= 1e-9 * std::max(on_left, on_right)) {
    return absl::StrCat(where,
                        "both are equally fast, so the layers are shared out to keep the slowest "
                        "stage quick: ",
                        FormatSeconds(load_left.decode_s), " and ",
                        FormatSeconds(load_right.decode_s), " a step");
  }
  return absl::StrCat(where, tree.units[next].name, " takes ", FormatSeconds(on_left), " on ", left,
                      " and ", FormatSeconds(on_right), " on ", right);
}

void ExplainLimits(const PlanResult& result, std::vector<std::string>* lines) {
  const std::vector<HardwareDevice>& devices = result.hardware.devices;
  const std::vector<DeviceLoad>& loads = result.plan.loads;
  int fullest = -1;
  int slowest = -1;
  for (size_t d = 0; d < loads.size(); ++d) {
    if (!loads[d].used) continue;
    const auto share = [&](int i) {
      return static_cast<double>(loads[i].total_bytes()) /
             static_cast<double>(std::max<uint64_t>(1, loads[i].capacity_bytes));
    };
    if (fullest < 0 || share(d) > share(fullest)) fullest = static_cast<int>(d);
    if (slowest < 0 || loads[d].decode_s > loads[slowest].decode_s) slowest = static_cast<int>(d);
  }
  if (fullest < 0) return;
  const DeviceLoad& full = loads[fullest];
  lines->push_back(absl::StrCat("memory: ", DeviceTitle(devices[fullest]), " is the fullest, ",
                                full.fits()
                                    ? absl::StrCat(FormatBytes(full.free_bytes()), " free")
                                    : absl::StrCat(FormatBytes(full.missing_bytes()), " short"),
                                " of ", FormatBytes(full.capacity_bytes)));
  const PlanPrediction& predicted = result.plan.predicted;
  const double share = loads[slowest].decode_s / predicted.step_s * 100;
  const double hops = (result.plan.num_stages + 1) * result.costs.decode_hop;
  lines->push_back(
      absl::StrFormat("speed: %.0f%% of a step is spent on %s at %s/s%s, %.0f%% on %d hops", share,
                      DeviceTitle(devices[slowest]),
                      FormatBytes(static_cast<uint64_t>(devices[slowest].bytes_per_s)),
                      devices[slowest].assumed_speed ? " (assumed)" : "",
                      hops / predicted.step_s * 100, result.plan.num_stages + 1));
}

}  // namespace

std::vector<PlanStage> StagesOf(const Plan& plan) {
  std::vector<PlanStage> stages;
  for (int u = 0; u < static_cast<int>(plan.device_of.size()); ++u) {
    if (stages.empty() || stages.back().device != plan.device_of[u]) {
      stages.push_back(PlanStage{plan.device_of[u], u, u});
    }
    stages.back().end = u + 1;
  }
  return stages;
}

std::string DeviceTitle(const HardwareDevice& device) {
  if (device.kind == MemoryKind::kGpu) return absl::StrCat("GPU ", device.name);
  absl::string_view number = device.name;
  return absl::ConsumePrefix(&number, "cpu:") ? absl::StrCat("CPU ", number) : "CPU";
}

std::string FormatSeconds(double seconds) {
  if (seconds < 0.9995) return absl::StrFormat("%.3g ms", seconds * 1e3);
  if (seconds < 999.5) return absl::StrFormat("%.3g s", seconds);
  return absl::StrFormat("%.0f s", seconds);
}

std::string DescribeUnits(const ModelTree& tree, const std::vector<int>& units) {
  std::vector<std::string> parts;
  const auto is_layer = [&](int u) {
    return tree.units[u].kind == UnitKind::kDecoderLayer ||
           tree.units[u].kind == UnitKind::kEncoderLayer;
  };
  const auto number = [&](int u) {
    return tree.units[u].name.substr(tree.units[u].name.rfind('.') + 1);
  };
  for (size_t i = 0; i < units.size();) {
    const int u = units[i];
    const UnitKind kind = tree.units[u].kind;
    size_t end = i + 1;
    if (is_layer(u)) {
      while (end < units.size() && units[end] == units[end - 1] + 1 &&
             tree.units[units[end]].kind == kind) {
        ++end;
      }
      const std::string word = tree.num_encoder_layers == 0      ? "layers "
                               : kind == UnitKind::kEncoderLayer ? "encoder "
                                                                 : "decoder ";
      parts.push_back(absl::StrCat(word, number(u),
                                   end - i > 1 ? absl::StrCat("-", number(units[end - 1])) : ""));
    } else if (kind == UnitKind::kEmbedding || kind == UnitKind::kLmHead) {
      const std::string name = kind == UnitKind::kLmHead ? "head" : "embedding";
      if (parts.empty() || parts.back() != name) parts.push_back(name);
    }
    i = end;
  }
  return parts.empty() ? "norms" : absl::StrJoin(parts, ", ");
}

std::vector<std::string> ExplainPlan(const ModelTree& tree, const PlanResult& result) {
  std::vector<std::string> lines;
  const std::vector<PlanStage> stages = StagesOf(result.plan);
  for (size_t s = 0; s + 1 < stages.size(); ++s) {
    if (s == kMaxBoundaries) {
      lines.push_back(absl::StrCat("... and ", stages.size() - 1 - s, " more boundaries"));
      break;
    }
    lines.push_back(ExplainBoundary(tree, result, stages[s], stages[s + 1]));
  }
  if (stages.empty()) return lines;
  std::vector<std::string> idle;
  for (size_t d = 0; d < result.plan.loads.size(); ++d) {
    if (!result.plan.loads[d].used) idle.push_back(DeviceTitle(result.hardware.devices[d]));
  }
  if (!idle.empty() && idle.size() <= kMaxBoundaries && result.searched) {
    const bool refused =
        std::find(result.usable.begin(), result.usable.end(), false) != result.usable.end();
    lines.push_back(absl::StrCat(
        absl::StrJoin(idle, ", "), ": not used; it would ",
        refused ? "have to hold fp32 and need --llm_int8_enable_fp32_cpu_offload, and " : "",
        "add a hop or slow the step down"));
  }
  ExplainLimits(result, &lines);
  if (!result.exact) {
    lines.push_back(
        "the layers differ and the devices are of too many kinds for an exact search: the best of "
        "three orders of the devices is shown");
  }
  return lines;
}

}  // namespace gantry
