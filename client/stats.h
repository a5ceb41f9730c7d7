#ifndef GANTRY_CLIENT_STATS_H_
#define GANTRY_CLIENT_STATS_H_

#include <vector>

namespace gantry {

// What is told of many measurements. All 0 when there are none.
struct Summary {
  double mean = 0;
  double min = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
  double max = 0;
};

// The value below which `percent` of the sorted values lie, between two values by linear
// interpolation (numpy.percentile's default). Requires `sorted` not empty, percent in [0, 100].
double Percentile(const std::vector<double>& sorted, double percent);

Summary Summarize(std::vector<double> values);

}  // namespace gantry

#endif  // GANTRY_CLIENT_STATS_H_
