#ifndef GANTRY_WORKER_LOAD_PLAN_H_
#define GANTRY_WORKER_LOAD_PLAN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/dtype.h"
#include "model/checkpoint.h"
#include "model/config.h"
#include "model/modules.h"
#include "plan/memory.h"
#include "proto/stage.pb.h"
#include "worker/module_format.h"
#include "worker/weight_source.h"

namespace gantry {

// A LoadRequest with everything in it checked and found.
struct LoadPlan {
  struct Module {
    ModuleSpec spec;
    ModuleFormat format;
  };
  struct StageRequest {
    uint32_t index = 0;
    std::vector<Module> modules;
    v1::Endpoint next;
  };
  uint64_t epoch = 0;
  ModelConfig config;
  ServingShape shape;
  // Of devices that have other types than float32.
  ComputeOptions compute;
  DType kv_dtype = DType::kF32;
  std::unique_ptr<Checkpoint> checkpoint;  // null for dummy weights
  std::unique_ptr<WeightSource> source;
  // Equal for two plans whose weights are the same.
  std::string model_key;
  std::vector<StageRequest> stages;
  uint64_t workspace_bytes = 0;  // predicted: activations and what kernels take besides
  uint64_t predicted_bytes = 0;  // weights, keys and values, workspace

  bool HasModule(ModuleKind kind) const;
};

// Finds the model, under `model_root` first. INVALID_ARGUMENT names the field; FAILED_PRECONDITION
// the file that differs from the coordinator's, with both values; NOT_FOUND and DATA_LOSS a file.
absl::StatusOr<LoadPlan> MakeLoadPlan(const v1::LoadRequest& request,
                                      const std::string& model_root);

// FAILED_PRECONDITION naming the first file that is not the same in both, with both values.
absl::Status CompareFingerprints(
    const google::protobuf::RepeatedPtrField<v1::FileFingerprint>& expected,
    const std::vector<FileFingerprint>& found);

}  // namespace gantry

#endif  // GANTRY_WORKER_LOAD_PLAN_H_
