#ifndef GANTRY_WORKER_STAGE_H_
#define GANTRY_WORKER_STAGE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/config.h"
#include "plan/memory.h"
#include "proto/step_frame.h"
#include "worker/active_slice.h"
#include "worker/payload.h"
#include "worker/sequence_table.h"
#include "worker/step_check.h"
#include "worker/step_layout.h"
#include "worker/token_chooser.h"
#include "worker/weights.h"
#include "worker/workspace.h"

namespace gantry {

struct StageSpec {
  uint64_t epoch = 0;
  uint32_t index = 0;
  std::string worker;  // for errors
  ModelConfig config;
  ServingShape shape;
  DType kv_dtype = DType::kF32;                               // of keys and values
  std::vector<std::shared_ptr<const ModuleWeights>> modules;  // consecutive, in the model's order
};

// Consecutive modules on one device with their keys and values, and the sequences that are in them.
// One thread at a time, the one that uses the backend.
class Stage {
 public:
  // `backend` and `workspace` outlive the stage. INVALID_ARGUMENT for modules that do not follow
  // each other, RESOURCE_EXHAUSTED for memory.
  static absl::StatusOr<std::unique_ptr<Stage>> Create(StageSpec spec, Workspace* workspace,
                                                       Backend* backend);

  ~Stage();

  uint32_t index() const { return spec_.index; }
  const StageLimits& limits() const { return limits_; }
  // Whether it chooses the tokens; what it sends on is read by the coordinator.
  bool has_head() const { return head_ != nullptr; }
  uint64_t kv_cache_bytes() const;
  const SequenceTable& sequences() const { return sequences_; }

  // Runs the step and turns the frame into the one for the next stage. Expects a frame that passed
  // CheckFrame. A slice that fails is marked in the frame and the others go on; an error is the
  // device's, and the stage must not be used after it.
  absl::Status Run(StepFrame* frame);

  // For tests: called after each module with the rows that it leaves, [rows, columns], the logits
  // of lm_head among them.
  using Observer = std::function<void(const std::string& module, const Buffer& rows, int64_t count,
                                      int64_t columns)>;
  void set_observer(Observer observer) { observer_ = std::move(observer); }

 private:
  Stage(StageSpec spec, Workspace* workspace, Backend* backend);
  absl::Status MakeCaches();
  // The slices that go on, after their tokens and blocks have been entered into their sequences.
  std::vector<ActiveSlice> Admit(v1::StepHeader* header);
  absl::Status Compute(StepFrame* frame, const std::vector<ActiveSlice>& active);
  // Within an open step. `leaving`: the slices with the rows that go on behind this stage.
  absl::Status ComputeStep(StepFrame* frame, const std::vector<ActiveSlice>& active,
                           std::vector<ActiveSlice> leaving);
  // The embedding and the layers, in workspace_->hidden.
  absl::Status RunLayers(int64_t rows);
  // Moves the rows that leave the last layer into workspace_->rows; then the norm and lm_head, as
  // far as they are here.
  absl::Status RunHead(int64_t rows);
  // Fails the slices with a row of workspace_->hidden that is not finite. Waits for the device.
  absl::Status FailNonFinite(const std::vector<ActiveSlice>& active);
  absl::Status SendResults(const std::vector<ActiveSlice>& leaving,
                           std::vector<ChosenTokens> chosen, StepFrame* frame);
  absl::Status UploadInput(const StepFrame& frame, absl::Span<const ActiveSlice> active,
                           Buffer* to);
  absl::Status SendRows(const Buffer& rows, absl::Span<const ActiveSlice> active, StepFrame* frame);
  void Fail(v1::SequenceSlice* slice, absl::string_view error);
  void Observe(const ModuleWeights* module, const Buffer& rows, int64_t count, int64_t columns);
  int64_t row_bytes() const;

  const StageSpec spec_;
  StageLimits limits_;
  Workspace* const workspace_;
  Backend* const backend_;
  const ModuleWeights* embedding_ = nullptr;
  const ModuleWeights* norm_ = nullptr;
  const ModuleWeights* head_ = nullptr;
  std::vector<const ModuleWeights*> layers_;
  std::vector<std::unique_ptr<KvCache>> caches_;  // [layers_]
  bool ends_layers_ = false;                      // holds the last decoder layer
  SequenceTable sequences_;
  LayoutMaker layouts_;
  RowConverter converter_;
  Observer observer_;
};

}  // namespace gantry

#endif  // GANTRY_WORKER_STAGE_H_
