#include "plan/output_table.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "plan/text_table.h"

namespace gantry {
namespace {

constexpr int kBarWidth = 40;
// Of more devices, those that hold nothing are left out.
constexpr size_t kMaxIdleShown = 12;

struct BarPart {
  uint64_t bytes;
  const char* utf8;
  const char* ascii;
  const char* color;
};

// Weights, cache, activations with the process, and what is free.
std::string Bar(const DeviceLoad& load, const TableStyle& style) {
  const BarPart parts[] = {
      {load.weights_bytes, "█", "#", "\x1b[34m"},
      {load.kv_cache_bytes, "▓", "=", "\x1b[32m"},
      {load.activations_bytes + load.overhead_bytes, "▒", "-", "\x1b[33m"},
  };
  const double scale =
      static_cast<double>(std::max<uint64_t>({1, load.capacity_bytes, load.total_bytes()}));
  std::string bar;
  double sum = 0;
  int drawn = 0;
  for (const BarPart& part : parts) {
    sum += static_cast<double>(part.bytes);
    const int end = std::min(kBarWidth, static_cast<int>(std::lround(sum / scale * kBarWidth)));
    if (end > drawn && style.color) absl::StrAppend(&bar, part.color);
    for (; drawn < end; ++drawn) absl::StrAppend(&bar, style.utf8 ? part.utf8 : part.ascii);
  }
  if (style.color) absl::StrAppend(&bar, "\x1b[0m");
  for (; drawn < kBarWidth; ++drawn) absl::StrAppend(&bar, style.utf8 ? "░" : ".");
  return bar;
}

std::string Bold(absl::string_view text, const TableStyle& style) {
  return style.color ? absl::StrCat("\x1b[1m", text, "\x1b[0m") : std::string(text);
}

std::string Devices(const PlannerModel& model, const PlanResult& result, const TableStyle& style) {
  std::vector<std::vector<int>> units(result.plan.loads.size());
  for (size_t u = 0; u < result.plan.device_of.size(); ++u) {
    units[result.plan.device_of[u]].push_back(static_cast<int>(u));
  }
  std::vector<std::vector<std::string>> rows = {
      {"device", "", "holds", "weights", "cache", "rest", "free", "of", ""}};
  size_t left_out = 0;
  for (size_t d = 0; d < result.plan.loads.size(); ++d) {
    const DeviceLoad& load = result.plan.loads[d];
    const HardwareDevice& device = result.hardware.devices[d];
    if (!load.used && result.plan.loads.size() > kMaxIdleShown) {
      ++left_out;
      continue;
    }
    rows.push_back({DeviceTitle(device), device.product,
                    load.used ? DescribeUnits(model.tree, units[d]) : "nothing",
                    FormatBytes(load.weights_bytes), FormatBytes(load.kv_cache_bytes),
                    FormatBytes(load.activations_bytes + load.overhead_bytes),
                    load.fits() ? FormatBytes(load.free_bytes())
                                : absl::StrCat("-", FormatBytes(load.missing_bytes())),
                    FormatBytes(load.capacity_bytes), Bar(load, style)});
  }
  std::string text =
      FormatTextTable(rows, {false, false, false, true, true, true, true, true, false});
  if (left_out > 0) absl::StrAppend(&text, "and ", left_out, " devices that hold nothing\n");
  const bool u = style.utf8;
  absl::StrAppend(&text, u ? "█" : "#", " weights  ", u ? "▓" : "=", " keys and values  ",
                  u ? "▒" : "-", " activations and the process  ", u ? "░" : ".", " free\n");
  return text;
}

bool UsesCpu(const PlanResult& result) {
  for (size_t d = 0; d < result.plan.loads.size(); ++d) {
    const bool cpu = result.hardware.devices[d].kind == MemoryKind::kCpu;
    if (cpu && result.plan.loads[d].used) return true;
  }
  return false;
}

std::string Predictions(const PlanResult& result) {
  const PlanPrediction& predicted = result.plan.predicted;
  const bool assumed =
      std::any_of(result.hardware.devices.begin(), result.hardware.devices.end(),
                  [](const HardwareDevice& device) { return device.assumed_speed; });
  const char* about = assumed ? "~" : "";
  const int64_t batch = result.costs.batch;
  std::string text =
      absl::StrCat("Predicted, not measured", assumed ? " (~: from an assumed bandwidth)" : "",
                   ":\n  decode ", about, FormatSpeed(predicted.decode_tokens_per_s), " tokens/s");
  if (batch > 1) absl::StrAppend(&text, " for ", batch, " sequences together");
  if (predicted.batches_in_flight > 1) {
    absl::StrAppend(&text, "; ", about, FormatSpeed(predicted.throughput_tokens_per_s), " with ",
                    predicted.batches_in_flight, " batches under way at once");
  }
  absl::StrAppend(&text, "\n  prefill ", about, FormatSpeed(predicted.prefill_tokens_per_s),
                  " tokens/s; first token of a prompt of ", result.costs.prompt_tokens, " after ",
                  about, FormatSeconds(predicted.time_to_first_token_s), "\n");
  return text;
}

}  // namespace

std::string FormatSpeed(double tokens_per_s) {
  if (tokens_per_s >= 1000) {
    const int64_t whole = std::llround(std::min(tokens_per_s, 1e15) / 10) * 10;
    std::string digits = absl::StrCat(whole);
    for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(i, ",");
    return digits;
  }
  const int decimals = tokens_per_s >= 100 ? 0 : tokens_per_s >= 10 ? 1 : 2;
  return absl::StrFormat("%.*f", decimals, tokens_per_s);
}

std::string FormatParameters(uint64_t count) {
  const double value = static_cast<double>(count);
  if (value >= 1e12) return absl::StrFormat("%.3g T", value / 1e12);
  if (value >= 1e9) return absl::StrFormat("%.3g B", value / 1e9);
  return absl::StrFormat("%.3g M", value / 1e6);
}

std::string FormatPlanTable(const PlannerModel& model, const PlanResult& result,
                            const PlanReport& report, const TableStyle& style) {
  const SequenceShape& shape = result.workload.shape;
  const std::string held = FormatName(result.workload.format);
  const std::string held_by_cpu = FormatName(result.workload.cpu_format);
  std::string text = absl::StrCat(
      Bold(model.name, style), ": ", FormatParameters(model.tree.parameters), " parameters, ", held,
      UsesCpu(result) && held != held_by_cpu ? absl::StrCat("; what a CPU holds is ", held_by_cpu)
                                             : "",
      "\ncontext ", shape.context, " x batch ", shape.batch, "\n\n");
  if (!result.plan.loads.empty()) absl::StrAppend(&text, Devices(model, result, style), "\n");
  if (result.fits()) {
    absl::StrAppend(&text, Bold("It fits.", style),
                    report.max_context > 0
                        ? absl::StrCat(" There is room for a context of ", report.max_context, ".")
                        : "",
                    "\n", Predictions(result));
  } else {
    absl::StrAppend(&text, Bold("It does not fit: ", style), result.error, "\n");
  }
  if (!report.explanation.empty()) {
    absl::StrAppend(&text, "Why:\n");
    for (const std::string& line : report.explanation) absl::StrAppend(&text, "  ", line, "\n");
  }
  if (!result.fits()) {
    absl::StrAppend(&text, report.suggestions.empty()
                               ? "No single change was found with which it would.\n"
                               : "It would with:\n");
    for (const PlanSuggestion& suggestion : report.suggestions) {
      absl::StrAppend(&text, "  ", suggestion.change, "\n    ", suggestion.command, "\n");
    }
  }
  if (!model.tree.served) {
    absl::StrAppend(&text, "Gantry plans ", model.tree.class_name, " but does not serve it yet.\n");
  }
  return text;
}

}  // namespace gantry
