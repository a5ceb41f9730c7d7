#ifndef GANTRY_COORDINATOR_HTTP_METRICS_TEXT_H_
#define GANTRY_COORDINATOR_HTTP_METRICS_TEXT_H_

#include <string>

#include "proto/inference.pb.h"

namespace gantry {

inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

// The counters of a status in Prometheus' text format, under the names of vLLM's with another
// prefix where it has them.
std::string MetricsText(const v1::GetStatusResponse& status);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_METRICS_TEXT_H_
