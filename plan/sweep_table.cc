#include "plan/sweep_table.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "plan/output_table.h"
#include "plan/text_table.h"

namespace gantry {
namespace {

constexpr int64_t kMaxSweptContext = 1 << 20;
constexpr int64_t kMaxSweptBatch = 512;

absl::StatusOr<SweepRow> PlanRow(const PlannerModel& model, const PlannerOptions& options) {
  GANTRY_ASSIGN_OR_RETURN(const PlanResult result, MakePlan(model, options));
  SweepRow row;
  row.context = result.workload.shape.context;
  row.batch = result.workload.shape.batch;
  row.fits = result.fits();
  row.missing_bytes = result.missing_bytes;
  row.predicted = result.plan.predicted;
  bool first = true;
  for (const DeviceLoad& load : result.plan.loads) {
    if (!load.used) continue;
    ++row.devices;
    row.kv_cache_bytes += load.kv_cache_bytes;
    row.free_bytes = first ? load.free_bytes() : std::min(row.free_bytes, load.free_bytes());
    first = false;
  }
  return row;
}

}  // namespace

absl::StatusOr<std::vector<SweepRow>> SweepContext(const PlannerModel& model,
                                                   const PlannerOptions& options) {
  const int64_t most = model.tree.max_positions > 0
                           ? std::min(model.tree.max_positions, kMaxSweptContext)
                           : kMaxSweptContext;
  std::set<int64_t> contexts = {MakeWorkload(model.tree, options).shape.context, most};
  for (int64_t context = 1024; context < most; context *= 2) contexts.insert(context);
  std::vector<SweepRow> rows;
  for (int64_t context : contexts) {
    PlannerOptions one = options;
    one.context = context;
    one.prompt_tokens = std::min(options.prompt_tokens, context);
    GANTRY_ASSIGN_OR_RETURN(SweepRow row, PlanRow(model, one));
    rows.push_back(row);
  }
  return rows;
}

absl::StatusOr<std::vector<SweepRow>> SweepBatch(const PlannerModel& model,
                                                 const PlannerOptions& options) {
  std::set<int64_t> batches = {options.batch};
  for (int64_t batch = 1; batch <= kMaxSweptBatch; batch *= 2) batches.insert(batch);
  std::vector<SweepRow> rows;
  for (int64_t batch : batches) {
    PlannerOptions one = options;
    one.batch = batch;
    GANTRY_ASSIGN_OR_RETURN(SweepRow row, PlanRow(model, one));
    rows.push_back(row);
  }
  return rows;
}

std::string FormatSweepTable(const PlannerModel& model, const std::vector<SweepRow>& rows) {
  std::vector<std::vector<std::string>> cells = {{"context", "batch", "fits", "devices", "cache",
                                                  "least free", "tokens/s", "pipelined",
                                                  "first token"}};
  for (const SweepRow& row : rows) {
    if (!row.fits) {
      cells.push_back(
          {absl::StrCat(row.context), absl::StrCat(row.batch), "no", "-", "-",
           row.missing_bytes > 0 ? absl::StrCat("-", FormatBytes(row.missing_bytes)) : "-", "-",
           "-", "-"});
      continue;
    }
    cells.push_back({absl::StrCat(row.context), absl::StrCat(row.batch), "yes",
                     absl::StrCat(row.devices), FormatBytes(row.kv_cache_bytes),
                     FormatBytes(row.free_bytes), FormatSpeed(row.predicted.decode_tokens_per_s),
                     FormatSpeed(row.predicted.throughput_tokens_per_s),
                     FormatSeconds(row.predicted.time_to_first_token_s)});
  }
  return absl::StrCat(
      model.name, ": speeds are predicted, not measured\n",
      FormatTextTable(cells, {true, true, false, true, true, true, true, true, true}));
}

Json SweepToJson(const std::vector<SweepRow>& rows) {
  Json json;
  json["sweep"] = Json::array();
  for (const SweepRow& row : rows) {
    Json entry;
    entry["context"] = row.context;
    entry["batch"] = row.batch;
    entry["fits"] = row.fits;
    entry["devices"] = row.devices;
    entry["kv_cache_bytes"] = row.kv_cache_bytes;
    entry["least_free_bytes"] = row.free_bytes;
    entry["missing_bytes"] = row.missing_bytes;
    entry["decode_tokens_per_s"] = row.predicted.decode_tokens_per_s;
    entry["throughput_tokens_per_s"] = row.predicted.throughput_tokens_per_s;
    entry["time_to_first_token_s"] = row.predicted.time_to_first_token_s;
    json["sweep"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace gantry
