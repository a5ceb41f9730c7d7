#ifndef GANTRY_WORKER_STAGE_HOST_H_
#define GANTRY_WORKER_STAGE_HOST_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kernels/backend.h"
#include "proto/credentials.h"
#include "proto/stage.pb.h"
#include "worker/epoch.h"
#include "worker/load_plan.h"
#include "worker/weights.h"

namespace gantry {

struct StageHostOptions {
  std::string worker;  // name
  std::string model_root;
  uint64_t memory_bytes = 0;   // that loading may take
  bool chooses_types = false;  // as Device says
  Credentials credentials;
};

// What this worker has loaded: at most one epoch, and weights that outlive epochs. Thread-safe.
class StageHost {
 public:
  // `backend` outlives the engine. `on_fault` is called from any thread.
  StageHost(StageHostOptions options, Backend* backend, Epoch::OnFault on_fault);
  ~StageHost();

  // Where this worker is reached: a next stage there is handed its frames in memory.
  void set_endpoint(const v1::Endpoint& endpoint);

  // Called while weights are read, from the thread that called Load. An error ends the loading.
  using OnProgress = std::function<absl::Status(uint64_t loaded, uint64_t total)>;

  // Ends the epoch that is loaded, then does what the request says; returns the bytes that
  // it takes on the device. One at a time: a load that another overtakes ends with ABORTED.
  absl::StatusOr<uint64_t> Load(const v1::LoadRequest& request, const OnProgress& on_progress);
  // Ends the epoch; frees the weights too unless they are to be kept for the next.
  void Unload(bool keep_weights);
  // As Unload for an epoch that is still in force; FAILED_PRECONDITION when it is another.
  absl::Status UnloadEpoch(uint64_t epoch);

  // The epoch in force or being loaded. Waits up to `timeout` for one that has not come yet.
  // FAILED_PRECONDITION naming both numbers.
  absl::StatusOr<std::shared_ptr<Epoch>> FindEpoch(uint64_t number, absl::Duration timeout);
  // The epoch in force or being loaded, or null.
  std::shared_ptr<Epoch> current() const;

 private:
  // Tells the backend its types; weights that were packed under others are dropped.
  absl::Status Configure(const LoadPlan& plan);
  absl::Status CheckMemory(const LoadPlan& plan) const;
  DType KvDType(const LoadPlan& plan) const;
  absl::Status LoadWeights(const LoadPlan& plan, const OnProgress& on_progress);
  absl::StatusOr<uint64_t> Assemble(const LoadPlan& plan, Epoch* epoch, uint64_t load);
  absl::StatusOr<std::unique_ptr<NextStage>> OpenNext(const LoadPlan::StageRequest& stage,
                                                      bool is_last, Epoch* epoch, uint64_t load);
  bool IsSelf(const v1::Endpoint& endpoint) const;
  void SetCurrent(std::shared_ptr<Epoch> epoch);
  bool Overtaken(uint64_t load) const { return load != loads_.load(); }

  const StageHostOptions options_;
  Backend* const backend_;
  const Epoch::OnFault on_fault_;

  std::atomic<uint64_t> loads_{0};  // begun, or made void by an unload
  absl::Mutex load_mutex_;          // held while loading
  WeightMap weights_ ABSL_GUARDED_BY(load_mutex_);
  std::string weights_key_ ABSL_GUARDED_BY(load_mutex_);
  ComputeOptions compute_ ABSL_GUARDED_BY(load_mutex_);  // what the backend was told

  mutable absl::Mutex mutex_;
  v1::Endpoint endpoint_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Epoch> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry

#endif  // GANTRY_WORKER_STAGE_HOST_H_
