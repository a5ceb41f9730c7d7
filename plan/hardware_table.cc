#include "plan/hardware_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "plan/explain.h"
#include "plan/known_models/known_models.h"
#include "plan/output_table.h"
#include "plan/text_table.h"

namespace gantry {
namespace {

struct SchemeColumn {
  const char* name;
  bool load_in_8bit;
  bool load_in_4bit;
};
constexpr SchemeColumn kOnGpus[] = {
    {"16 bits", false, false}, {"int8", true, false}, {"nf4", false, true}};
constexpr SchemeColumn kOnCpus[] = {{"fp32", false, false}};

absl::StatusOr<ModelOnHardware> PlanOne(const PlannerModel& model, const PlannerOptions& asked,
                                        const SchemeColumn& column) {
  PlannerOptions options = asked;
  options.model = model.name;
  options.device_map = "optimal";
  options.prompt_tokens = 0;
  if (options.context.has_value() && model.tree.max_positions > 0) {
    options.context = std::min(*options.context, model.tree.max_positions);
  }
  // Checkpoints in fp32 are run in 16 bits like all others.
  if (!options.dtype.has_value() && model.tree.dtype == DType::kF32) options.dtype = DType::kBF16;
  options.quantization.load_in_8bit = column.load_in_8bit;
  options.quantization.load_in_4bit = column.load_in_4bit;
  options.quantization.bnb_4bit_quant_type = Scheme::kNf4;
  options.quantization.bnb_4bit_use_double_quant = true;
  options.quantization.llm_int8_enable_fp32_cpu_offload = true;
  GANTRY_ASSIGN_OR_RETURN(const PlanResult result, MakePlan(model, options, false));
  ModelOnHardware row;
  row.model = model.name;
  row.parameters = model.tree.parameters;
  row.format = result.workload.format;
  const bool whole = row.format.dtype == DType::kF32 && !row.format.quantization.quantized();
  row.scheme = whole ? "fp32" : column.name;
  row.fits = result.fits();
  const bool gpus = options.hardware.devices.front().kind == MemoryKind::kGpu;
  std::vector<int> units(result.costs.num_units);
  for (size_t u = 0; u < units.size(); ++u) units[u] = static_cast<int>(u);
  row.weights_bytes = WeightsTogether(result.costs, units, gpus ? 0 : 1);
  if (!row.fits) return row;
  row.max_context = LargestContext(model.tree, result);
  row.devices = static_cast<int>(std::count_if(result.plan.loads.begin(), result.plan.loads.end(),
                                               [](const DeviceLoad& load) { return load.used; }));
  row.decode_tokens_per_s = result.plan.predicted.decode_tokens_per_s;
  row.time_to_first_token_s = result.plan.predicted.time_to_first_token_s;
  return row;
}

}  // namespace

absl::StatusOr<std::vector<ModelOnHardware>> PlanKnownModels(const PlannerOptions& options) {
  const bool gpus = options.hardware.devices.front().kind == MemoryKind::kGpu;
  std::vector<ModelOnHardware> rows;
  for (const KnownModel& known : KnownModels()) {
    GANTRY_ASSIGN_OR_RETURN(ModelTree tree, BuildModelTree(known.config, known.name));
    const PlannerModel model{known.name, std::move(tree)};
    for (const SchemeColumn& column :
         gpus ? absl::Span<const SchemeColumn>(kOnGpus) : absl::Span<const SchemeColumn>(kOnCpus)) {
      GANTRY_ASSIGN_OR_RETURN(ModelOnHardware row, PlanOne(model, options, column));
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string FormatHardwareTable(const std::vector<ModelOnHardware>& rows,
                                const PlannerOptions& options) {
  std::vector<std::vector<std::string>> cells = {{"model", "parameters", "scheme", "weights",
                                                  "devices", "max context", "tokens/s",
                                                  "first token"}};
  bool assumed = false;
  for (const HardwareDevice& device : options.hardware.devices) {
    assumed = assumed || device.assumed_speed;
  }
  const char* about = assumed ? "~" : "";
  std::string last;
  std::vector<std::string> too_large;
  for (const ModelOnHardware& row : rows) {
    if (!row.fits) continue;
    cells.push_back({row.model == last ? "" : row.model,
                     row.model == last ? "" : FormatParameters(row.parameters), row.scheme,
                     FormatBytes(row.weights_bytes), absl::StrCat(row.devices),
                     absl::StrCat(row.max_context),
                     absl::StrCat(about, FormatSpeed(row.decode_tokens_per_s)),
                     absl::StrCat(about, FormatSeconds(row.time_to_first_token_s))});
    last = row.model;
  }
  for (const ModelOnHardware& row : rows) {
    const bool runs = std::any_of(rows.begin(), rows.end(), [&](const ModelOnHardware& other) {
      return other.fits && other.model == row.model;
    });
    if (!runs && (too_large.empty() || too_large.back() != row.model)) {
      too_large.push_back(row.model);
    }
  }
  std::string text = FormatTextTable(cells, {false, true, false, true, true, true, true, true});
  if (!too_large.empty()) {
    absl::StrAppend(&text, "\nToo large here in every scheme: ");
    for (size_t i = 0; i < too_large.size(); ++i) {
      absl::StrAppend(&text, i == 0 ? "" : ", ", too_large[i]);
    }
    absl::StrAppend(&text, "\n");
  }
  absl::StrAppend(
      &text, "\nSpeeds are predicted, not measured, for a context of ",
      options.context.value_or(kDefaultPlanContext), " (or what the model can) and a batch of ",
      options.batch, assumed ? "; ~: on a bandwidth assumed from the size" : "",
      ".\nnf4 is with double quantisation. For one model in detail: planner --model NAME");
  if (!options.gpus_text.empty()) absl::StrAppend(&text, " --gpus ", options.gpus_text);
  if (!options.cpus_text.empty()) absl::StrAppend(&text, " --cpus ", options.cpus_text);
  absl::StrAppend(&text, "\n");
  return text;
}

Json HardwareTableToJson(const std::vector<ModelOnHardware>& rows) {
  Json json;
  json["models"] = Json::array();
  for (const ModelOnHardware& row : rows) {
    Json entry;
    entry["model"] = row.model;
    entry["parameters"] = row.parameters;
    entry["format"] = FormatName(row.format);
    entry["fits"] = row.fits;
    entry["weights_bytes"] = row.weights_bytes;
    entry["devices"] = row.devices;
    entry["max_context"] = row.max_context;
    entry["decode_tokens_per_s"] = row.decode_tokens_per_s;
    entry["time_to_first_token_s"] = row.time_to_first_token_s;
    json["models"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace gantry
