#include "plan/placing_problem.h"

#include <algorithm>
#include <utility>

#include "plan/plan.h"

namespace gantry {

PlacingProblem::PlacingProblem(const PlanCosts& costs, const std::vector<bool>& usable)
    : costs_(costs),
      usable_(usable),
      num_layers_(std::max(0, costs.end_layer - costs.first_layer)) {
  usable_.resize(costs.devices.size(), true);
  const int first = costs.first_layer;
  const int end = first + num_layers_;
  for (int k = 0; k < 2; ++k) {
    layer_bytes_[k].assign(1, 0);
    for (int u = first; u < end; ++u) {
      const uint64_t bytes = costs.weights[k][u] + costs.kv[k][u];
      uniform_ = uniform_ && bytes == costs.weights[k][first] + costs.kv[k][first];
      layer_bytes_[k].push_back(layer_bytes_[k].back() + bytes);
    }
    for (int role = 0; role < kRoles; ++role) {
      std::vector<int> units;
      for (int u = 0; u < costs.num_units; ++u) {
        if ((u < first && (role & kFirst)) || (u >= end && (role & kLast))) units.push_back(u);
      }
      role_bytes_[k][role] = WeightsTogether(costs, units, k);
      role_activations_[k][role] = costs.activations[k];
      for (int u : units) {
        role_bytes_[k][role] += costs.kv[k][u];
        if (costs.computes_logits[u]) role_activations_[k][role] = costs.head_activations[k];
      }
    }
  }
  for (const std::vector<double>& decode : costs.decode) {
    std::vector<double> sums = {0};
    double before = 0;
    double behind = 0;
    for (int u = 0; u < costs.num_units; ++u) {
      if (u < first) {
        before += decode[u];
      } else if (u >= end) {
        behind += decode[u];
      } else {
        uniform_ = uniform_ && decode[u] == decode[first];
        sums.push_back(sums.back() + decode[u]);
      }
    }
    seconds_.push_back(std::move(sums));
    before_s_.push_back(before);
    behind_s_.push_back(behind);
  }
}

double PlacingProblem::LayersSeconds(int device, int begin, int end) const {
  const std::vector<double>& sums = seconds_[costs_.device_class[device]];
  if (uniform_) return num_layers_ == 0 ? 0 : (end - begin) * sums[1];
  return sums[end] - sums[begin];
}

double PlacingProblem::RoleSeconds(int device, int role) const {
  const int c = costs_.device_class[device];
  return (role & kFirst ? before_s_[c] : 0) + (role & kLast ? behind_s_[c] : 0);
}

uint64_t PlacingProblem::FixedBytes(int device, int role) const {
  const int k = costs_.kind_of(device);
  return costs_.overhead[k] + role_activations_[k][role] + role_bytes_[k][role];
}

bool PlacingProblem::Fits(int device, int role, int begin, int end) const {
  if (!usable_[device]) return false;
  const std::vector<uint64_t>& sums = layer_bytes_[costs_.kind_of(device)];
  return FixedBytes(device, role) + sums[end] - sums[begin] <= costs_.devices[device].memory_bytes;
}

int PlacingProblem::MaxLayers(int device, int role) const {
  const uint64_t fixed = FixedBytes(device, role);
  const uint64_t capacity = costs_.devices[device].memory_bytes;
  if (!usable_[device] || fixed > capacity) return -1;
  if (num_layers_ == 0) return 0;
  const uint64_t layer = std::max<uint64_t>(1, layer_bytes_[costs_.kind_of(device)][1]);
  return static_cast<int>(std::min<uint64_t>(num_layers_, (capacity - fixed) / layer));
}

bool PlacingProblem::Alike(int a, int b) const {
  return costs_.device_class[a] == costs_.device_class[b] &&
         costs_.kind_of(a) == costs_.kind_of(b) && usable_[a] == usable_[b] &&
         costs_.devices[a].memory_bytes == costs_.devices[b].memory_bytes;
}

std::vector<int> PlacingProblem::Candidates() const {
  std::vector<int> candidates;
  std::vector<std::pair<int, int>> kinds;  // a device, and how many like it there are
  for (int d = 0; d < num_devices(); ++d) {
    if (!usable_[d]) continue;
    auto kind = std::find_if(kinds.begin(), kinds.end(),
                             [&](const auto& seen) { return Alike(seen.first, d); });
    if (kind == kinds.end()) kind = kinds.insert(kinds.end(), {d, 0});
    // One for each layer, and one for each end.
    if (++kind->second <= num_layers_ + 2) candidates.push_back(d);
  }
  return candidates;
}

std::vector<int> PlacingProblem::Units(const std::vector<int>& device_of_layer, int first,
                                       int last) const {
  std::vector<int> device_of(costs_.num_units);
  for (int u = 0; u < costs_.num_units; ++u) {
    const int layer = u - costs_.first_layer;
    device_of[u] = layer < 0 ? first : layer >= num_layers_ ? last : device_of_layer[layer];
  }
  return device_of;
}

}  // namespace gantry
