#include "client/status_text.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "client/table.h"

namespace gantry {
namespace {

constexpr Table::Align kRight = Table::Align::kRight;

struct Numbered {
  absl::string_view prefix;  // with its last dot
  int64_t number = -1;       // -1: the name has none
};

Numbered SplitNumber(const std::string& name) {
  Numbered split;
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos) return split;
  const absl::string_view digits = absl::string_view(name).substr(dot + 1);
  uint32_t number;
  if (!absl::SimpleAtoi(digits, &number) || absl::StrCat(number) != digits) return split;
  split.prefix = absl::string_view(name).substr(0, dot + 1);
  split.number = number;
  return split;
}

std::string BytesOrDash(uint64_t bytes) { return bytes == 0 ? "-" : FormatBytes(bytes); }

template <typename Repeated>
std::string Modules(const Repeated& modules) {
  if (modules.empty()) return "none";
  return ModuleRanges({modules.begin(), modules.end()});
}

// "cuda:0 NVIDIA H200"; of a CPU, threads and instruction set say what it is.
std::string DeviceText(const v1::WorkerStatus& worker) {
  if (!absl::StartsWith(worker.device(), "cuda")) return worker.device();
  const absl::string_view description = worker.description();
  return absl::StrCat(worker.device(), " ", description.substr(0, description.find(',')));
}

std::string WorkerTable(const v1::GetStatusResponse& status) {
  Table table({{"WORKER"},
               {"ADDRESS"},
               {"DEVICE"},
               {"THREADS", kRight},
               {"ISA"},
               {"LOADED", kRight},
               {"PREDICTED", kRight},
               {"MEASURED", kRight},
               {"RESIDENT", kRight},
               {"OFFERED", kRight},
               {"READS/S", kRight},
               {"MODULES"}});
  for (const v1::WorkerStatus& worker : status.workers()) {
    table.AddRow({worker.name(), worker.address(), DeviceText(worker),
                  worker.threads() == 0 ? "-" : absl::StrCat(worker.threads()),
                  worker.isa().empty() ? "none" : worker.isa(),
                  absl::StrFormat("%.0f %%", 100 * worker.loaded()),
                  BytesOrDash(worker.predicted_bytes()), BytesOrDash(worker.measured_bytes()),
                  BytesOrDash(worker.resident_bytes()), BytesOrDash(worker.memory_bytes()),
                  worker.read_bytes_per_s() >= 1 && worker.read_bytes_per_s() < 1e18
                      ? FormatBytes(static_cast<uint64_t>(worker.read_bytes_per_s()))
                      : "-",
                  Modules(worker.modules())});
  }
  return table.ToString();
}

// Milliseconds and tokens a second of one step.
std::string Milliseconds(double ms) { return ms > 0 ? absl::StrFormat("%.3f ms", ms) : "-"; }
std::string Rate(double per_s) { return per_s > 0 ? absl::StrFormat("%.4g", per_s) : "-"; }

std::string StageTable(const v1::GetStatusResponse& status) {
  Table table({{"STAGE", kRight},
               {"WORKER"},
               {"DEVICE"},
               {"SCHEME"},
               {"PREDICTED", kRight},
               {"MEASURED", kRight},
               {"STEP PREDICTED", kRight},
               {"MEASURED", kRight},
               {"TOKENS/S PREDICTED", kRight},
               {"MEASURED", kRight},
               {"STEPS", kRight},
               {"MODULES"}});
  for (const v1::StageStatus& stage : status.stages()) {
    table.AddRow({absl::StrCat(stage.index()), stage.worker(), stage.device(), stage.scheme(),
                  BytesOrDash(stage.predicted_bytes()), BytesOrDash(stage.measured_bytes()),
                  Milliseconds(stage.predicted_ms()),
                  stage.steps() == 0 ? "-" : Milliseconds(stage.step_ms()),
                  Rate(stage.predicted_tokens_per_s()), Rate(stage.tokens_per_s()),
                  absl::StrCat(stage.steps()), Modules(stage.modules())});
  }
  return table.ToString();
}

std::string SpeedLine(const v1::GetStatusResponse& status) {
  const double measured = status.counters().decode_tokens_per_s();
  return absl::StrFormat("decode    %.4g tokens/s a request predicted, %s measured\n",
                         status.predicted_decode_tokens_per_s(),
                         measured > 0 ? absl::StrFormat("%.4g", measured) : "none");
}

std::string CounterLines(const v1::Counters& counters) {
  return absl::StrCat("requests  ", counters.requests_running(), " running, ",
                      counters.requests_waiting(), " waiting, ", counters.requests_finished(),
                      " finished, ", counters.requests_failed(), " failed, ",
                      counters.requests_cancelled(), " cancelled, ", counters.requests_rejected(),
                      " rejected\ntokens    ", counters.prompt_tokens(), " of prompts (",
                      counters.prompt_tokens_shared(), " shared), ", counters.generated_tokens(),
                      " generated\nsteps     ", counters.steps(), ", ", counters.steps_in_flight(),
                      " in flight\nkv cache  ", counters.kv_blocks_used(), " of ",
                      counters.kv_blocks_total(), " blocks in use\n");
}

}  // namespace

std::string ModuleRanges(const std::vector<std::string>& modules) {
  std::string text;
  for (size_t first = 0; first < modules.size();) {
    const Numbered start = SplitNumber(modules[first]);
    size_t last = first;
    while (start.number >= 0 && last + 1 < modules.size()) {
      const Numbered next = SplitNumber(modules[last + 1]);
      if (next.prefix != start.prefix || next.number != start.number + (last + 1 - first)) break;
      ++last;
    }
    absl::StrAppend(&text, text.empty() ? "" : ", ", modules[first]);
    if (last > first) absl::StrAppend(&text, "-", start.number + (last - first));
    first = last + 1;
  }
  return text;
}

std::string StatusText(const v1::GetStatusResponse& status) {
  std::string text =
      status.ready()
          ? "ready\n"
          : absl::StrCat(
                "not ready: ", status.reason().empty() ? "no reason given" : status.reason(), "\n");
  absl::StrAppend(&text, "model     ", status.model(), "\n");
  if (status.context() > 0) absl::StrAppend(&text, "context   ", status.context(), " tokens\n");
  absl::StrAppend(&text, "epoch     ", status.epoch(), "\nversion   ", status.version(), "\n\n");
  if (status.workers().empty()) {
    absl::StrAppend(&text, "no workers have joined\n");
  } else {
    absl::StrAppend(&text, WorkerTable(status));
  }
  if (!status.stages().empty()) absl::StrAppend(&text, "\n", StageTable(status));
  absl::StrAppend(&text, "\n");
  if (!status.stages().empty()) absl::StrAppend(&text, SpeedLine(status));
  absl::StrAppend(&text, CounterLines(status.counters()));
  return text;
}

}  // namespace gantry
