#ifndef GANTRY_COORDINATOR_EPOCH_PLAN_H_
#define GANTRY_COORDINATOR_EPOCH_PLAN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/membership.h"
#include "coordinator/options.h"
#include "coordinator/prediction.h"
#include "coordinator/served_model.h"
#include "plan/placement.h"
#include "proto/stage.pb.h"

namespace gantry {

// A placement on the workers that were there when it was made.
struct EpochPlan {
  uint64_t epoch = 0;
  std::vector<Member> workers;  // the devices of the placement, by name
  ServingShape shape;
  Placement placement;
  SpeedPrediction predicted;

  // "model.layers.8 .. model.layers.15", of every stage on the worker; empty if it has none.
  std::string Modules(const ServedModel& model, int worker) const;
  // "model.embed_tokens .. model.layers.7" of one stage.
  std::string StageModules(const ServedModel& model, int stage) const;
  MemoryKind KindOf(int worker) const;
  // Which kind of device holds each module; on that alone depends in what it is held, and so which
  // tokens are computed.
  std::string Numerics() const;
  // The index of a worker, by session.
  std::optional<int> FindWorker(uint64_t session) const;
};

// Keys and values for as many of options.batch sequences of full context as fit, at least for one.
// RESOURCE_EXHAUSTED when that does not fit; INVALID_ARGUMENT for a device map that the workers
// cannot obey. Pure.
absl::StatusOr<EpochPlan> MakeEpochPlan(uint64_t epoch, const ServedModel& model,
                                        const CoordinatorOptions& options,
                                        const std::optional<DeviceMap>& device_map,
                                        std::vector<Member> workers);

// What each worker is told to load, one for each of plan.workers; without stages for those that
// have nothing to do. `results` is where the last stage delivers tokens.
std::vector<v1::LoadRequest> MakeLoadRequests(const EpochPlan& plan, const ServedModel& model,
                                              const CoordinatorOptions& options,
                                              const v1::Endpoint& results);

// A table of the stages and of what each worker needs, a line each, for the log.
std::string DescribePlan(const EpochPlan& plan, const ServedModel& model);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_EPOCH_PLAN_H_
