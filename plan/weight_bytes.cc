#include "plan/weight_bytes.h"

#include <algorithm>
#include <string>

#include "plan/caching_allocator.h"
#include "plan/memory.h"

namespace gantry {
namespace {

constexpr uint64_t kFloatBytes = 4;
// The simulated load differs from the true one by up to a MiB or two in gigabytes, either way.
constexpr uint64_t kLoadMargin = 500;
// bitsandbytes' nested statistics: blocks of 256 absmax, and a table of 256 values.
constexpr uint64_t kNestedBlock = 256;
constexpr uint64_t kNestedTable = 256;
constexpr uint64_t kFourBitTable = 16;

uint64_t RoundUp(uint64_t bytes, uint64_t to) { return (bytes + to - 1) / to * to; }

// As a CPU holds it, its rows padded as the kernels want them.
uint64_t CpuTensorBytes(const TreeTensor& tensor, const TensorScheme& scheme) {
  if (tensor.shape.size() != 2) return tensor.elements * kFloatBytes;
  return MatrixBytes(tensor.shape[0], tensor.shape[1], scheme);
}

}  // namespace

std::vector<uint64_t> TensorPieces(const TreeTensor& tensor, const TensorScheme& scheme) {
  const uint64_t count = tensor.elements;
  switch (scheme.scheme) {
    case Scheme::kFp32:
      break;
    case Scheme::kFp16:
    case Scheme::kBf16:
      return {2 * count};
    case Scheme::kInt8:
      return {count, tensor.shape[0] * kFloatBytes};
    case Scheme::kNf4:
    case Scheme::kFp4: {
      const uint64_t blocks = (count + scheme.block_size - 1) / scheme.block_size;
      const uint64_t packed = (count + 1) / 2;
      const uint64_t table = kFourBitTable * kFloatBytes;
      if (!scheme.double_quant) return {table, blocks * kFloatBytes, packed};
      const uint64_t nested = (blocks + kNestedBlock - 1) / kNestedBlock;
      const uint64_t offset = kFloatBytes;
      return {table, packed, offset, kNestedTable * kFloatBytes, nested * kFloatBytes, blocks};
    }
  }
  return {count * kFloatBytes};
}

uint64_t TensorBytes(const TreeTensor& tensor, const TensorScheme& scheme, uint64_t allocation) {
  uint64_t bytes = 0;
  for (uint64_t piece : TensorPieces(tensor, scheme)) bytes += RoundUp(piece, allocation);
  return bytes;
}

uint64_t ModuleBytes(const ModelTree& tree, const TreeModule& module, absl::string_view name,
                     const SchemeRules& rules, MemoryKind kind, uint64_t allocation) {
  std::vector<bool> seen(tree.tied.size(), false);
  uint64_t bytes = 0;
  const auto add = [&](const std::string& module_name, const TreeModule& owner,
                       const std::string& tensor_name, const TreeTensor& tensor) {
    for (size_t g = 0; g < tree.tied.size(); ++g) {
      const std::vector<std::string>& group = tree.tied[g];
      if (std::find(group.begin(), group.end(), tensor_name) == group.end()) continue;
      if (seen[g]) return;
      seen[g] = true;
    }
    const TensorScheme scheme = rules.Of(module_name, owner, tensor);
    bytes += kind == MemoryKind::kCpu ? CpuTensorBytes(tensor, scheme)
                                      : TensorBytes(tensor, scheme, allocation);
  };
  ForEachTensor(module, std::string(name), add);
  return bytes;
}

uint64_t ModelBytes(const ModelTree& tree, const SchemeRules& rules, MemoryKind kind,
                    uint64_t allocation) {
  return ModuleBytes(tree, *tree.root, "", rules, kind, allocation);
}

uint64_t LoadedBytes(const ModelTree& tree, const SchemeRules& rules) {
  const uint64_t bytes = SimulateLoad(tree, rules);
  return bytes + bytes / kLoadMargin;
}

}  // namespace gantry
