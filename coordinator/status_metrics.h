#ifndef GANTRY_COORDINATOR_STATUS_METRICS_H_
#define GANTRY_COORDINATOR_STATUS_METRICS_H_

#include <vector>

#include "prometheus/metric_family.h"
#include "proto/inference.pb.h"

namespace gantry {

// The metrics that a status has: counters, the queue, the cache, the placement, and of every worker
// and stage its memory and time, predicted and measured. What is not known is left out.
std::vector<prometheus::MetricFamily> StatusMetrics(const v1::GetStatusResponse& status);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_STATUS_METRICS_H_
