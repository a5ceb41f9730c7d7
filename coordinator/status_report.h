#ifndef GANTRY_COORDINATOR_STATUS_REPORT_H_
#define GANTRY_COORDINATOR_STATUS_REPORT_H_

#include <vector>

#include "coordinator/cluster.h"
#include "coordinator/engine_loop.h"
#include "coordinator/membership.h"
#include "coordinator/served_model.h"
#include "proto/inference.pb.h"

namespace gantry {

// What GetStatus answers. Workers are by name; those without modules are spare.
v1::GetStatusResponse MakeStatus(const ServedModel& model, const std::vector<Member>& members,
                                 const Cluster::Report& cluster, const EngineLoop::Report& engine);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_STATUS_REPORT_H_
