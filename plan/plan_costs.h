#ifndef GANTRY_PLAN_PLAN_COSTS_H_
#define GANTRY_PLAN_PLAN_COSTS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "plan/device_spec.h"
#include "plan/memory.h"
#include "plan/model_tree.h"
#include "plan/quantization.h"

namespace gantry {

// What is to run, apart from where.
struct PlanWorkload {
  WeightFormat format;      // of GPUs
  WeightFormat cpu_format;  // of CPUs, which keep their cache in fp32 in any case
  SequenceShape shape;
  int64_t prompt_tokens = 512;  // of a new request, for the time to its first token
};

// What the weights of each unit take; the slow part of the costs, which does not depend on what
// runs.
struct UnitWeights {
  std::array<std::vector<uint64_t>, 2> bytes;  // [MemoryKind][unit]
  std::vector<Scheme> scheme;                  // of a unit's largest weight on a GPU
};
UnitWeights ComputeUnitWeights(const ModelTree& tree, const WeightFormat& format,
                               const WeightFormat& cpu_format);

// Bytes on each kind of device, and seconds on each class of device, of every unit of a model:
// all that a placement depends on. No byte count is above kMaxCost, so that sums cannot overflow.
struct PlanCosts {
  static constexpr uint64_t kMaxCost = uint64_t{1} << 50;
  int num_units = 0;
  std::array<std::vector<uint64_t>, 2> weights;  // [MemoryKind][unit]
  std::array<std::vector<uint64_t>, 2> kv;       // [MemoryKind][unit]
  std::vector<int> tied_unit;                    // as PlanUnit says
  std::vector<bool> computes_logits;             // [unit]
  int first_layer = 0;                           // units [first_layer, end_layer) hold the layers
  int end_layer = 0;
  // [MemoryKind], of a device once: activations without logits, with them, and the process.
  std::array<uint64_t, 2> activations = {};
  std::array<uint64_t, 2> head_activations = {};
  std::array<uint64_t, 2> overhead = {};

  std::vector<HardwareDevice> devices;
  std::vector<int> device_class;             // [device]; devices of a class are equally fast
  std::vector<std::vector<double>> decode;   // [class][unit], a step of one token a sequence
  std::vector<std::vector<double>> prefill;  // [class][unit], a chunk of the prompt
  double decode_hop = 0;
  double prefill_hop = 0;
  int64_t batch = 1;
  int64_t prompt_tokens = 1;
  int64_t chunk_tokens = 1;

  const std::vector<double>& decode_of(int device) const { return decode[device_class[device]]; }
  const std::vector<double>& prefill_of(int device) const { return prefill[device_class[device]]; }
  int kind_of(int device) const { return static_cast<int>(devices[device].kind); }
};

// Decode is predicted with the context half full. What windows save in reading the cache is spread
// evenly over the layers.
PlanCosts ComputePlanCosts(const ModelTree& tree, const UnitWeights& weights,
                           const PlanWorkload& workload, const Hardware& hardware);

}  // namespace gantry

#endif  // GANTRY_PLAN_PLAN_COSTS_H_
