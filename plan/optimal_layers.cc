#include "plan/optimal_layers.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace gantry {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
// Sums of the same seconds in another order are equal.
constexpr double kTolerance = 1e-9;
constexpr double kRounding = 1e-13;
// Beyond this many devices * layers the second objective is left alone.
constexpr int64_t kMaxRefined = 1'000'000;

// What is taken over from the state behind: which role the device has and how many layers.
struct Choice {
  int16_t layers = 0;
  int8_t role = kMiddle;
};

class Search {
 public:
  explicit Search(const PlacingProblem& problem)
      : problem_(problem), layers_(problem.num_layers()), devices_(problem.Candidates()) {}

  // The fewest seconds a step with no device above `limit` seconds; kNever if nothing fits.
  double Run(double limit);
  // What the last Run found. Requires that it found something.
  std::vector<int> Placement() const;

 private:
  size_t Index(int candidate, int roles, int placed) const {
    return (static_cast<size_t>(candidate) * kRoles + roles) * (layers_ + 1) + placed;
  }
  // Improves to[l] by from[l - m] and m layers on the device, for all m that fit its role.
  void Add(int device, int role, double limit, const std::vector<double>& from,
           std::vector<double>* to, Choice* choices);

  const PlacingProblem& problem_;
  const int layers_;
  const std::vector<int> devices_;
  std::vector<Choice> choices_;
  std::vector<int> window_;
};

void Search::Add(int device, int role, double limit, const std::vector<double>& from,
                 std::vector<double>* to, Choice* choices) {
  int most = problem_.MaxLayers(device, role);
  const double fixed = problem_.RoleSeconds(device, role);
  const double layer = layers_ == 0 ? 0 : problem_.LayersSeconds(device, 0, 1);
  if (fixed > limit) return;
  if (layer > 0 && std::isfinite(limit)) {
    most = static_cast<int>(
        std::min<double>(most, std::floor((limit - fixed) / layer * (1 + kTolerance))));
  }
  if (most < 0) return;
  const double hop = problem_.hop();
  const auto improve = [&](int l, double seconds, int m) {
    if (seconds < kNever && seconds <= (*to)[l] * (1 + kRounding)) {
      (*to)[l] = seconds;
      choices[l] = Choice{static_cast<int16_t>(m), static_cast<int8_t>(role)};
    }
  };
  // The smallest from[k] - k * layer among k in [l - most, l - least], k rising.
  const int least = role == kMiddle ? 1 : 0;
  window_.clear();
  size_t head = 0;
  for (int l = least; l <= layers_; ++l) {
    const int k = l - least;
    const double key = from[k] - k * layer;
    while (window_.size() > head && from[window_.back()] - window_.back() * layer >= key) {
      window_.pop_back();
    }
    window_.push_back(k);
    while (window_[head] < l - most) {
      if (++head == window_.size()) break;
    }
    if (head == window_.size()) continue;
    // Both ends without all layers are two visits to the device.
    const int best = window_[head];
    const int m = l - best;
    const double visits = role == kBoth && m < layers_ ? 2 : 1;
    improve(l, from[best] + m * layer + fixed + visits * hop, m);
  }
  if (role == kBoth && most >= layers_) {
    improve(layers_, from[0] + layers_ * layer + fixed + hop, layers_);
  }
}

double Search::Run(double limit) {
  choices_.assign(devices_.size() * kRoles * (layers_ + 1), Choice{});
  std::vector<double> best[kRoles];
  for (auto& row : best) row.assign(layers_ + 1, kNever);
  best[kMiddle][0] = 0;
  // From the last to the first, so that of equal placements the one with the first devices wins.
  for (int i = static_cast<int>(devices_.size()) - 1; i >= 0; --i) {
    // Roles shrink on the way, so that what a row is improved by is still without this device.
    for (int roles = kRoles - 1; roles >= 0; --roles) {
      std::vector<double> row = best[roles];
      Choice* choices = &choices_[Index(i, roles, 0)];
      // The last of equals stays: the first devices begin.
      for (int role : {kBoth, kLast, kMiddle, kFirst}) {
        if ((roles & role) == role) {
          Add(devices_[i], role, limit, best[roles & ~role], &row, choices);
        }
      }
      best[roles] = std::move(row);
    }
  }
  return best[kBoth][layers_];
}

std::vector<int> Search::Placement() const {
  std::vector<int> counts(problem_.num_devices(), 0);
  int first = -1;
  int last = -1;
  int roles = kBoth;
  int placed = layers_;
  for (size_t i = 0; i < devices_.size(); ++i) {
    const int device = devices_[i];
    const Choice choice = choices_[Index(static_cast<int>(i), roles, placed)];
    counts[device] = choice.layers;
    if (choice.role & kFirst) first = device;
    if (choice.role & kLast) last = device;
    placed -= choice.layers;
    roles &= ~choice.role;
  }
  std::vector<int> device_of_layer;
  const auto put = [&](int device) {
    device_of_layer.insert(device_of_layer.end(), counts[device], device);
    counts[device] = 0;
  };
  put(first);
  for (int device : devices_) {
    if (device != last) put(device);
  }
  put(last);
  return problem_.Units(device_of_layer, first, last);
}

// Every number of seconds that a device can come to, in rising order.
std::vector<double> Limits(const PlacingProblem& problem) {
  std::vector<double> limits;
  std::vector<int> seen;
  for (int d : problem.Candidates()) {
    if (std::any_of(seen.begin(), seen.end(), [&](int e) { return problem.Alike(d, e); })) continue;
    seen.push_back(d);
    for (int role = 0; role < kRoles; ++role) {
      const int most = problem.MaxLayers(d, role);
      for (int m = 0; m <= most; ++m) {
        limits.push_back(problem.RoleSeconds(d, role) + problem.LayersSeconds(d, 0, m));
      }
    }
  }
  std::sort(limits.begin(), limits.end());
  limits.erase(std::unique(limits.begin(), limits.end()), limits.end());
  return limits;
}

}  // namespace

bool CanPlaceLayers(const PlacingProblem& problem) { return Search(problem).Run(kNever) < kNever; }

std::vector<int> FindOptimalLayers(const PlacingProblem& problem, PlanObjective objective) {
  Search search(problem);
  const double fewest = search.Run(kNever);
  if (fewest == kNever) return {};
  const bool throughput = objective == PlanObjective::kThroughput;
  const int64_t size = int64_t{problem.num_devices()} * (problem.num_layers() + 1);
  if (!throughput && size > kMaxRefined) return search.Placement();
  // The lowest limit under which the step is still as quick as it may be.
  const double allowed = throughput ? kNever : fewest * (1 + kTolerance);
  const std::vector<double> limits = Limits(problem);
  size_t low = 0;
  size_t high = limits.size() - 1;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    const double seconds = search.Run(limits[middle]);
    if (seconds < kNever && seconds <= allowed) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  search.Run(limits[low]);
  return search.Placement();
}

}  // namespace gantry
