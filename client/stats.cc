#include "client/stats.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gantry {

double Percentile(const std::vector<double>& sorted, double percent) {
  const double position = percent / 100 * (sorted.size() - 1);
  const size_t below = static_cast<size_t>(std::floor(position));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}

Summary Summarize(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {.mean = std::accumulate(values.begin(), values.end(), 0.0) / values.size(),
          .min = values.front(),
          .p50 = Percentile(values, 50),
          .p90 = Percentile(values, 90),
          .p99 = Percentile(values, 99),
          .max = values.back()};
}

}  // namespace gantry
