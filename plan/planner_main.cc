// planner: says where a model's layers go on given hardware, and how fast that is. See --help.

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/exit_code.h"
#include "base/file.h"
#include "base/flags.h"
#include "plan/estimate_table.h"
#include "plan/explain.h"
#include "plan/hardware_table.h"
#include "plan/output_json.h"
#include "plan/output_svg.h"
#include "plan/output_table.h"
#include "plan/planner_flags.h"
#include "plan/sweep_table.h"

namespace gantry {
namespace {

int Fail(const absl::Status& status, int code) {
  std::cerr << "planner: " << status.message() << "\n";
  return code;
}

// A name that nobody knows is wrong usage, and so is a file too large to be a config.json. A path
// that leads to no model is a bad checkpoint.
int CodeOfModelError(const absl::Status& status, const std::string& model) {
  if (absl::IsResourceExhausted(status)) return kExitUsage;
  const bool is_path = model[0] == '/' || model[0] == '.' || FileExists(model);
  return absl::IsNotFound(status) && !is_path ? kExitUsage : kExitBadCheckpoint;
}

bool SpeaksUtf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string lower = absl::AsciiStrToLower(value);
    return absl::StrContains(lower, "utf-8") || absl::StrContains(lower, "utf8");
  }
  return false;
}

TableStyle StyleOf(const std::string& output) {
  TableStyle style;
  const char* no_color = std::getenv("NO_COLOR");
  style.color =
      output.empty() && isatty(STDOUT_FILENO) && (no_color == nullptr || *no_color == '\0');
  style.utf8 = SpeaksUtf8();
  return style;
}

// Prints to stdout or the file, and returns `code`, or that it could not.
int Print(const std::string& text, const std::string& output, int code) {
  if (output.empty()) {
    std::cout << text << std::flush;
    return std::cout.good() ? code : kExitFailed;
  }
  std::ofstream file(output, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (file.fail()) {
    std::cerr << "planner: --output=" << output << ": cannot write the file\n";
    return kExitFailed;
  }
  return code;
}

std::string Line(const Json& json) { return DumpJson(json, 2) + "\n"; }

int PlanHardware(const PlannerFlags& flags) {
  const auto rows = PlanKnownModels(flags.options);
  if (!rows.ok()) return Fail(rows.status(), kExitUsage);
  return Print(flags.format == PlannerFormat::kJson ? Line(HardwareTableToJson(*rows))
                                                    : FormatHardwareTable(*rows, flags.options),
               flags.output, kExitDone);
}

int PlanSweep(const PlannerFlags& flags, const PlannerModel& model) {
  const auto rows = flags.sweep == PlannerSweep::kContext ? SweepContext(model, flags.options)
                                                          : SweepBatch(model, flags.options);
  if (!rows.ok()) return Fail(rows.status(), kExitUsage);
  return Print(flags.format == PlannerFormat::kJson ? Line(SweepToJson(*rows))
                                                    : FormatSweepTable(model, *rows),
               flags.output, kExitDone);
}

int PlanModel(const PlannerFlags& flags, const PlannerModel& model) {
  const PlannerOptions& options = flags.options;
  const absl::StatusOr<PlanResult> result = MakePlan(model, options);
  if (!result.ok()) return Fail(result.status(), kExitUsage);
  const int code = result->fits() ? kExitDone : kExitDoesNotFit;
  PlanReport report;
  if (flags.format != PlannerFormat::kDeviceMap) {
    report.explanation = ExplainPlan(model.tree, *result);
    if (!result->fits()) {
      report.suggestions = SuggestChanges(model, options, *result);
    } else if (options.device_map == "optimal") {
      report.max_context = LargestContext(model.tree, *result);
    }
  }
  if (!result->fits() && flags.format != PlannerFormat::kTable) {
    std::cerr << "planner: " << model.name << " does not fit: " << result->error << "\n";
  }
  switch (flags.format) {
    case PlannerFormat::kJson:
      return Print(Line(PlanToJson(model, *result, report)), flags.output, code);
    case PlannerFormat::kDeviceMap:
      if (result->device_map.empty()) return code;
      return Print(Line(DeviceMapToJson(result->device_map)), flags.output, code);
    case PlannerFormat::kSvg:
      return Print(FormatPlanSvg(model, *result, report), flags.output, code);
    case PlannerFormat::kTable:
      break;
  }
  return Print(FormatPlanTable(model, *result, report, StyleOf(flags.output)), flags.output, code);
}

int Main(int argc, char** argv) {
  const std::vector<std::string> extra =
      ParseFlags(argc, argv, kPlannerUsage, {"plan/planner_flags.cc", "plan/serving_flags.cc"});
  if (!extra.empty()) {
    UsageError(
        absl::StrCat("unexpected argument \"", extra[0], "\"; for example --model ", extra[0]));
  }
  absl::StatusOr<PlannerFlags> flags = PlannerFlagsFromCommandLine();
  if (!flags.ok()) UsageError(flags.status().message());
  if (flags->options.model.empty()) return PlanHardware(*flags);

  const absl::StatusOr<PlannerModel> model = LoadPlannerModel(flags->options.model);
  if (!model.ok())
    return Fail(model.status(), CodeOfModelError(model.status(), flags->options.model));
  if (flags->estimate) {
    return Print(FormatEstimateTable(model->tree, model->name) + "\n", flags->output, kExitDone);
  }
  if (const absl::Status status = UseServingRequest(*model, flags->serving, &flags->options);
      !status.ok()) {
    const bool usage = absl::IsInvalidArgument(status);
    return Fail(status, usage ? kExitUsage : kExitBadCheckpoint);
  }
  if (flags->sweep != PlannerSweep::kNone) return PlanSweep(*flags, *model);
  return PlanModel(*flags, *model);
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) { return gantry::Main(argc, argv); }
