#ifndef GANTRY_COORDINATOR_CLUSTER_H_
#define GANTRY_COORDINATOR_CLUSTER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "coordinator/engine_loop.h"
#include "coordinator/epoch_plan.h"
#include "coordinator/membership.h"
#include "coordinator/options.h"
#include "coordinator/served_model.h"
#include "coordinator/stage_client.h"
#include "proto/credentials.h"

namespace gantry {

// Brings placements into force and ends them. One thread decides; all else only leaves it notes.
//
//   waiting --enough workers, planned--> loading --all loaded, link open--> serving
//      ^---------- a stage's worker is lost, a fault, a broken link, a late step ---------'
class Cluster {
 public:
  struct Callbacks {
    std::function<void(bool)> on_ready;                  // whether requests are served
    std::function<void(const absl::Status&)> on_misfit;  // the first placement does not fit
  };
  // All pointers outlive this.
  Cluster(const CoordinatorOptions* options, const ServedModel* model,
          std::optional<DeviceMap> device_map, const Credentials* credentials, const Clock* clock,
          EngineLoop* engine, Callbacks callbacks);
  ~Cluster();

  Membership* membership() { return &membership_; }
  // `results`: where the last stage finds this coordinator.
  void Start(v1::Endpoint results);
  // Ends what runs with `why`, tells the workers to unload, ends the thread.
  void Stop(const absl::Status& why);

  // Notes from other threads.
  void OnFault(uint64_t session, const v1::Fault& fault);
  // Whether results of the epoch are wanted, now or once it is loaded.
  bool WantsResults(uint64_t epoch) const;
  void OnResultsEnded(uint64_t epoch);

  struct Report {
    bool ready = false;
    uint64_t epoch = 0;
    std::string reason;                          // why it is not ready
    std::shared_ptr<const EpochPlan> plan;       // null: none in force or being loaded
    std::map<uint64_t, v1::LoadProgress> loads;  // by session
  };
  Report report() const;

 private:
  enum class Phase { kWaiting, kLoading, kServing };
  // Something is wrong with an epoch, but the worker that is to blame may not be known yet.
  struct Suspicion {
    uint64_t epoch = 0;
    absl::Status status;
  };

  void Run();
  void Wake();
  void Suspect(uint64_t epoch, absl::Status status);
  void ReadDepartures();
  void CheckSuspicion(std::vector<Suspicion> suspicions);
  void CheckSteps();
  void TryPlan();
  void BeginLoading(EpochPlan plan);
  void ContinueLoading();
  void LogProgress(const std::map<uint64_t, v1::LoadProgress>& loads);
  void BeginServing();
  void FailEpoch(const absl::Status& why);
  // `end` says what becomes of its requests.
  void LeaveEpoch(const absl::Status& why, void (EngineLoop::*end)(const absl::Status&));
  void Unload(const EpochPlan& plan);
  void SetReason(const std::string& reason);
  std::string Describe(int worker) const;
  std::shared_ptr<grpc::Channel> ChannelTo(const Member& worker) const;

  const CoordinatorOptions* const options_;
  const ServedModel* const model_;
  const std::optional<DeviceMap> device_map_;
  const Credentials* const credentials_;
  const Clock* const clock_;
  EngineLoop* const engine_;
  const Callbacks callbacks_;
  Membership membership_;
  v1::Endpoint results_;

  // Of the thread alone.
  Phase phase_ = Phase::kWaiting;
  uint64_t last_epoch_ = 0;
  std::shared_ptr<const EpochPlan> plan_;
  std::vector<std::unique_ptr<LoadCall>> loads_;  // as plan_->workers; null: nothing to load
  std::unique_ptr<StepLink> link_;
  absl::Status suspicion_;
  absl::Duration suspicion_ends_;
  absl::Duration retry_at_;
  absl::Duration next_log_;
  std::vector<uint64_t> failed_sessions_;  // for which there is no placement
  bool has_served_ = false;
  std::string last_failure_;  // why the last epoch ended or did not begin; empty once one serves

  mutable absl::Mutex mutex_;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Suspicion> suspicions_ ABSL_GUARDED_BY(mutex_);
  Report report_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_CLUSTER_H_
