#include "worker/load_plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "model/hub.h"

namespace gantry {
namespace {

// Far beyond any use, and small enough that products of two of them fit 63 bits.
constexpr uint32_t kMaxBlockSize = 4096;
constexpr uint32_t kMaxBlocks = 1 << 28;
constexpr uint32_t kMaxContext = 1 << 30;
constexpr uint32_t kMaxStepTokens = 1 << 20;
constexpr uint64_t kMaxWorkspaceBytes = uint64_t{1} << 50;

absl::Status CheckField(absl::string_view field, uint64_t value, uint64_t max, uint64_t min = 1) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": expected a number in [", min, ", ", max, "], found ", value));
}

absl::StatusOr<ServingShape> ToShape(const v1::LoadRequest& request) {
  const v1::KvConfig& kv = request.kv();
  GANTRY_RETURN_IF_ERROR(CheckField("kv.block_size", kv.block_size(), kMaxBlockSize));
  GANTRY_RETURN_IF_ERROR(CheckField("kv.num_blocks", kv.num_blocks(), kMaxBlocks));
  GANTRY_RETURN_IF_ERROR(CheckField("kv.context", kv.context(), kMaxContext));
  GANTRY_RETURN_IF_ERROR(CheckField("max_step_tokens", request.max_step_tokens(), kMaxStepTokens));
  GANTRY_RETURN_IF_ERROR(CheckField("max_step_rows", request.max_step_rows(), kMaxStepTokens));
  ServingShape shape;
  shape.block_size = kv.block_size();
  shape.num_blocks = kv.num_blocks();
  shape.context = kv.context();
  shape.max_step_tokens = request.max_step_tokens();
  shape.max_step_rows = request.max_step_rows();
  return shape;
}

// The coordinator's path may not exist here while ROOT holds a folder of the same name.
absl::StatusOr<std::string> FindModel(const std::string& name, const std::string& model_root) {
  absl::StatusOr<std::string> folder = ResolveModel(name, model_root);
  if (folder.ok() || model_root.empty()) return folder;
  std::string path = name;
  while (!path.empty() && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return folder;
  absl::StatusOr<std::string> under_root = ResolveModel(path.substr(slash + 1), model_root);
  return under_root.ok() ? under_root : folder;
}

absl::Status OpenModel(const v1::ModelSource& model, const std::string& model_root,
                       LoadPlan* plan) {
  if (model.dummy()) {
    GANTRY_ASSIGN_OR_RETURN(const Json json, ParseJson(model.config_json(), "model.config_json"));
    GANTRY_ASSIGN_OR_RETURN(plan->config, ParseModelConfig(json, "model.config_json"));
    plan->source = MakeDummySource(model.dummy_seed());
    plan->model_key = absl::StrCat("dummy ", model.dummy_seed(), " ", model.config_json());
    return absl::OkStatus();
  }
  GANTRY_ASSIGN_OR_RETURN(const std::string folder, FindModel(model.name(), model_root));
  GANTRY_ASSIGN_OR_RETURN(plan->checkpoint, Checkpoint::Open(folder));
  GANTRY_RETURN_IF_ERROR(
      Annotate(CompareFingerprints(model.files(), plan->checkpoint->fingerprint()), folder));
  plan->config = plan->checkpoint->config();
  plan->source = MakeCheckpointSource(plan->checkpoint.get());
  for (const FileFingerprint& file : plan->checkpoint->fingerprint()) {
    absl::StrAppend(&plan->model_key, file.name, " ", file.size, " ", file.header, "\n");
  }
  return absl::OkStatus();
}

absl::StatusOr<LoadPlan::StageRequest> ToStage(const v1::StageAssignment& assignment,
                                               const std::vector<ModuleSpec>& modules,
                                               const Numerics& numerics) {
  LoadPlan::StageRequest stage;
  stage.index = assignment.index();
  stage.next = assignment.next();
  for (const v1::ModuleAssignment& assigned : assignment.modules()) {
    const auto found = std::find_if(
        modules.begin(), modules.end(),
        [&assigned](const ModuleSpec& module) { return module.name == assigned.name(); });
    if (found == modules.end()) {
      return absl::InvalidArgumentError(absl::StrCat("stages.modules.name: the model has no \"",
                                                     assigned.name().substr(0, 100), "\""));
    }
    GANTRY_ASSIGN_OR_RETURN(ModuleFormat format, ParseModuleFormat(assigned, *found, numerics));
    stage.modules.push_back({*found, std::move(format)});
  }
  return stage;
}

std::string Describe(uint64_t size, uint64_t header) {
  return absl::StrFormat("%u bytes with header %016x", size, header);
}

}  // namespace

bool LoadPlan::HasModule(ModuleKind kind) const {
  for (const StageRequest& stage : stages) {
    for (const Module& module : stage.modules) {
      if (module.spec.kind == kind) return true;
    }
  }
  return false;
}

absl::Status CompareFingerprints(
    const google::protobuf::RepeatedPtrField<v1::FileFingerprint>& expected,
    const std::vector<FileFingerprint>& found) {
  for (const v1::FileFingerprint& theirs : expected) {
    const auto ours =
        std::find_if(found.begin(), found.end(),
                     [&theirs](const FileFingerprint& file) { return file.name == theirs.name(); });
    const std::string expected_text = Describe(theirs.size(), theirs.header());
    if (ours == found.end()) {
      return absl::FailedPreconditionError(absl::StrCat(theirs.name(), ": the coordinator has ",
                                                        expected_text,
                                                        ", this worker has no such file"));
    }
    if (ours->size != theirs.size() || ours->header != theirs.header()) {
      return absl::FailedPreconditionError(
          absl::StrCat(theirs.name(), ": the coordinator has ", expected_text, ", this worker has ",
                       Describe(ours->size, ours->header), "; give both the same checkpoint"));
    }
  }
  if (static_cast<size_t>(expected.size()) != found.size()) {
    return absl::FailedPreconditionError(absl::StrCat("the coordinator has ", expected.size(),
                                                      " files, this worker has ", found.size()));
  }
  return absl::OkStatus();
}

absl::StatusOr<LoadPlan> MakeLoadPlan(const v1::LoadRequest& request,
                                      const std::string& model_root) {
  LoadPlan plan;
  plan.epoch = request.epoch();
  if (plan.epoch == 0) return absl::InvalidArgumentError("epoch: expected 1 or more, found 0");
  GANTRY_ASSIGN_OR_RETURN(plan.shape, ToShape(request));
  GANTRY_ASSIGN_OR_RETURN(plan.kv_dtype, ParseFloatType("kv.dtype", request.kv().dtype()));
  GANTRY_ASSIGN_OR_RETURN(const Numerics numerics, ParseNumerics(request));
  plan.compute = numerics.compute;
  GANTRY_RETURN_IF_ERROR(OpenModel(request.model(), model_root, &plan));
  const std::vector<ModuleSpec> modules = ListModules(plan.config);
  std::set<uint32_t> indices;
  std::set<std::string> names;
  for (const v1::StageAssignment& assignment : request.stages()) {
    GANTRY_ASSIGN_OR_RETURN(LoadPlan::StageRequest stage, ToStage(assignment, modules, numerics));
    if (!indices.insert(stage.index).second) {
      return absl::InvalidArgumentError(absl::StrCat("stages.index: ", stage.index, " twice"));
    }
    for (const LoadPlan::Module& module : stage.modules) {
      if (!names.insert(module.spec.name).second) {
        return absl::InvalidArgumentError(
            absl::StrCat("stages.modules.name: ", module.spec.name, " twice"));
      }
    }
    plan.stages.push_back(std::move(stage));
    plan.predicted_bytes += assignment.predicted_bytes();
  }
  if (plan.stages.empty()) return absl::InvalidArgumentError("stages: there are none");
  // The stages' predictions leave out the workspace, which they share.
  GANTRY_RETURN_IF_ERROR(CheckField("predicted_workspace_bytes",
                                    request.predicted_workspace_bytes(), kMaxWorkspaceBytes,
                                    /*min=*/0));
  plan.workspace_bytes = request.predicted_workspace_bytes();
  plan.predicted_bytes += plan.workspace_bytes;
  return plan;
}

}  // namespace gantry
