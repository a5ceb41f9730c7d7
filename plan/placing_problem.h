#ifndef GANTRY_PLAN_PLACING_PROBLEM_H_
#define GANTRY_PLAN_PLACING_PROBLEM_H_

#include <cstdint>
#include <vector>

#include "plan/plan_costs.h"

namespace gantry {

// What a device takes on besides layers: nothing, what precedes the first one, what follows the
// last one, or both.
enum Role { kMiddle = 0, kFirst = 1, kLast = 2, kBoth = 3 };
inline constexpr int kRoles = 4;

// PlanCosts as the searches see them: layers, and what is before and behind them, on each device.
// Refers to the costs.
class PlacingProblem {
 public:
  PlacingProblem(const PlanCosts& costs, const std::vector<bool>& usable);

  int num_layers() const { return num_layers_; }
  int num_devices() const { return static_cast<int>(usable_.size()); }
  bool usable(int device) const { return usable_[device]; }
  // Whether all layers take the same bytes and seconds.
  bool uniform() const { return uniform_; }
  double hop() const { return costs_.decode_hop; }

  // Layers [0, num_layers).
  double LayersSeconds(int device, int begin, int end) const;
  double RoleSeconds(int device, int role) const;
  // Whether the device has room for layers [begin, end) and its role.
  bool Fits(int device, int role, int begin, int end) const;
  // Of a uniform model: how many layers fit besides the role; -1 if not even the role does.
  int MaxLayers(int device, int role) const;

  // Devices that neither bytes nor seconds tell apart.
  bool Alike(int a, int b) const;
  // The usable devices in their order, without those of a kind that are more than a placement of
  // whole layers can use.
  std::vector<int> Candidates() const;
  // The device of each unit when layer i is on device_of_layer[i].
  std::vector<int> Units(const std::vector<int>& device_of_layer, int first, int last) const;

 private:
  uint64_t FixedBytes(int device, int role) const;
  const PlanCosts& costs_;
  std::vector<bool> usable_;
  int num_layers_ = 0;
  bool uniform_ = true;
  std::vector<uint64_t> layer_bytes_[2];      // [kind]: sums of weights and cache, [layers + 1]
  std::vector<std::vector<double>> seconds_;  // [class]: sums, [layers + 1]
  std::vector<double> before_s_;              // [class]
  std::vector<double> behind_s_;
  uint64_t role_bytes_[2][kRoles] = {};  // [kind]: weights and cache
  uint64_t role_activations_[2][kRoles] = {};
};

}  // namespace gantry

#endif  // GANTRY_PLAN_PLACING_PROBLEM_H_
