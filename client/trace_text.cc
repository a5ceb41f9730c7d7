#include "client/trace_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/table.h"

namespace gantry {
namespace {

constexpr Table::Align kRight = Table::Align::kRight;

std::string Milliseconds(double seconds) { return absl::StrFormat("%.3f", 1e3 * seconds); }

std::string Summary(const v1::RequestTrace& trace) {
  const std::string& reason = trace.finished_reason();
  std::string text = absl::StrCat(
      "request   ", trace.request_id(), ", ", reason.empty() ? "has not ended" : reason, "\n",
      "tokens    ", trace.prompt_tokens(), " of the prompt (", trace.shared_prompt_tokens(),
      " shared), ", trace.completion_tokens(), " generated\n");
  if (trace.preemptions() > 0 || trace.recoveries() > 0) {
    absl::StrAppend(&text, "again     ", trace.preemptions(), " preemptions, ", trace.recoveries(),
                    " recoveries\n");
  }
  return text;
}

std::string Phases(const v1::RequestTrace& trace) {
  Table table(
      {{"PHASE"}, {"MS", kRight}, {"IDLE", kRight}, {"STEPS", kRight}, {"TRANSFER", kRight}});
  table.AddRow({"queue", Milliseconds(trace.queue_s()), "", "", ""});
  const auto add = [&table](const char* name, const v1::PhaseTrace& phase) {
    table.AddRow({name, Milliseconds(phase.seconds()), Milliseconds(phase.idle_s()),
                  absl::StrCat(phase.steps()), Milliseconds(phase.transfer_s())});
  };
  add("prefill", trace.prefill());
  add("decode", trace.decode());
  return table.ToString();
}

std::string Stages(const v1::RequestTrace& trace) {
  Table table({{"STAGE", kRight},
               {"PREFILL WAITS", kRight},
               {"COMPUTES", kRight},
               {"DECODE WAITS", kRight},
               {"COMPUTES", kRight}});
  const int stages = std::max(trace.prefill().stages_size(), trace.decode().stages_size());
  for (int i = 0; i < stages; ++i) {
    std::vector<std::string> cells = {absl::StrCat(i)};
    for (const v1::PhaseTrace* phase : {&trace.prefill(), &trace.decode()}) {
      const bool known = i < phase->stages_size();
      cells.push_back(known ? Milliseconds(phase->stages(i).queued_s()) : "-");
      cells.push_back(known ? Milliseconds(phase->stages(i).computed_s()) : "-");
    }
    table.AddRow(std::move(cells));
  }
  return table.ToString();
}

std::string Steps(const v1::RequestTrace& trace) {
  Table table({{"SENT AT", kRight},
               {"MS", kRight},
               {"TOKENS", kRight},
               {"OF ALL", kRight},
               {"TRANSFER", kRight},
               {"WAITS+COMPUTES BY STAGE"}});
  for (int i = 0; i < trace.steps_size(); ++i) {
    if (trace.steps_left_out() > 0 && i == trace.steps_before_gap()) {
      table.AddRow({"...", "", "", "", "", absl::StrCat(trace.steps_left_out(), " left out")});
    }
    const v1::TraceStep& step = trace.steps(i);
    std::string stages;
    for (const v1::StageTrace& stage : step.stages()) {
      absl::StrAppend(&stages, stages.empty() ? "" : "  ", Milliseconds(stage.queued_s()), "+",
                      Milliseconds(stage.computed_s()));
    }
    table.AddRow({Milliseconds(step.sent_s()), Milliseconds(step.seconds()),
                  absl::StrCat(step.tokens()), absl::StrCat(step.step_tokens()),
                  Milliseconds(step.transfer_s()), std::move(stages)});
  }
  return table.ToString();
}

}  // namespace

std::string TraceText(const v1::RequestTrace& trace) {
  std::string text = absl::StrCat(Summary(trace), "\n", Phases(trace));
  if (trace.steps().empty()) return text;
  return absl::StrCat(text, "\n", Stages(trace), "\n", Steps(trace));
}

}  // namespace gantry
