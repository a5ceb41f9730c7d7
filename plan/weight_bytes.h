#ifndef GANTRY_PLAN_WEIGHT_BYTES_H_
#define GANTRY_PLAN_WEIGHT_BYTES_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "plan/model_tree.h"
#include "plan/quantization.h"
#include "plan/serving_format.h"

namespace gantry {

// Bytes of weights, exactly, from a model's tree: every family and scheme.

// What the CUDA caching allocator rounds every tensor up to.
inline constexpr uint64_t kCudaAllocationBytes = 512;

// The allocations of one tensor as it is stored, in bytes: the weights, and with them SCB (int8) or
// absmax, its nested statistics, offset and code tables (4-bit).
std::vector<uint64_t> TensorPieces(const TreeTensor& tensor, const TensorScheme& scheme);

// Their sum, each rounded up to a multiple of `allocation`.
uint64_t TensorBytes(const TreeTensor& tensor, const TensorScheme& scheme, uint64_t allocation);

// Of a module and all below it, whose full name is `name`, by the rules of that kind of device; a
// CPU's matrices are padded. Tensors that are tied are counted once
// within the module. An upper bound when `allocation` is kCudaAllocationBytes.
uint64_t ModuleBytes(const ModelTree& tree, const TreeModule& module, absl::string_view name,
                     const SchemeRules& rules, MemoryKind kind, uint64_t allocation);
inline uint64_t UnitWeightBytes(const ModelTree& tree, const PlanUnit& unit,
                                const SchemeRules& rules, MemoryKind kind) {
  return ModuleBytes(tree, *unit.module, unit.name, rules, kind, kCudaAllocationBytes);
}
// The whole model on one device, tied tensors once.
uint64_t ModelBytes(const ModelTree& tree, const SchemeRules& rules, MemoryKind kind,
                    uint64_t allocation = kCudaAllocationBytes);

// What torch's caching allocator counts as allocated once transformers has loaded the model: an
// upper bound, a per cent above the truth at most.
uint64_t LoadedBytes(const ModelTree& tree, const SchemeRules& rules);

}  // namespace gantry

#endif  // GANTRY_PLAN_WEIGHT_BYTES_H_
