#include "plan/caching_allocator.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "plan/weight_bytes.h"

namespace gantry {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kSmallLimit = kMiB;
constexpr uint64_t kSmallSegment = 2 * kMiB;
constexpr uint64_t kLargeSegment = 20 * kMiB;
constexpr uint64_t kLargeLimit = 10 * kMiB;

uint64_t RoundUp(uint64_t bytes, uint64_t to) { return (bytes + to - 1) / to * to; }

uint64_t SegmentBytes(uint64_t bytes) {
  if (bytes <= kSmallLimit) return kSmallSegment;
  return bytes < kLargeLimit ? kLargeSegment : RoundUp(bytes, kSmallSegment);
}

// Children by name, numbers by value: the order in which transformers 5 loads.
std::vector<const TreeChild*> ByName(const TreeModule& module) {
  std::vector<const TreeChild*> children;
  for (const TreeChild& child : module.children) children.push_back(&child);
  std::sort(children.begin(), children.end(), [](const TreeChild* a, const TreeChild* b) {
    int x;
    int y;
    if (absl::SimpleAtoi(a->name, &x) && absl::SimpleAtoi(b->name, &y)) return x < y;
    return a->name < b->name;
  });
  return children;
}

class Loader {
 public:
  Loader(const ModelTree& tree, const SchemeRules& rules) : rules_(rules) {
    for (const auto& group : tree.tied) repeated_.insert(group.begin() + 1, group.end());
    allocator_.Free(allocator_.Allocate(ModelBytes(tree, rules, MemoryKind::kGpu)));
    Load(*tree.root, "");
  }
  uint64_t allocated_bytes() const { return allocator_.allocated_bytes(); }

 private:
  void Load(const TreeModule& module, const std::string& name) {
    const std::string prefix = name.empty() ? "" : absl::StrCat(name, ".");
    for (const TreeTensor& tensor : module.tensors) {
      if (repeated_.count(absl::StrCat(prefix, tensor.name)) > 0) continue;
      const TensorScheme scheme = rules_.Of(name, module, tensor);
      const std::vector<uint64_t> pieces = TensorPieces(tensor, scheme);
      const bool quantised = pieces.size() > 1;
      const uint64_t original =
          quantised ? allocator_.Allocate(tensor.elements * DTypeSize(rules_.format().dtype)) : 0;
      for (uint64_t bytes : pieces) allocator_.Allocate(bytes);
      if (quantised) allocator_.Free(original);
    }
    for (const TreeChild* child : ByName(module)) {
      Load(*child->module, absl::StrCat(prefix, child->name));
    }
  }

  const SchemeRules& rules_;
  std::unordered_set<std::string> repeated_;
  CachingAllocator allocator_;
};

}  // namespace

uint64_t CachingAllocator::Allocate(uint64_t bytes) {
  bytes = RoundUp(std::max<uint64_t>(bytes, 1), kCudaAllocationBytes);
  const bool small = bytes <= kSmallLimit;
  auto& free = free_[small ? 0 : 1];
  Blocks::iterator block;
  const auto fit = free.lower_bound({bytes, 0});
  if (fit != free.end()) {
    block = blocks_.find(fit->second);
    free.erase(fit);
  } else {
    const uint64_t size = SegmentBytes(bytes);
    block = blocks_.emplace(next_segment_, Block{size, next_segment_, small, false}).first;
    next_segment_ += size;
    reserved_ += size;
  }
  block->second.free = false;
  const uint64_t rest = block->second.size - bytes;
  if (small ? rest >= kCudaAllocationBytes : rest > kSmallLimit) {
    const uint64_t address = block->first + bytes;
    blocks_.emplace(address, Block{rest, block->second.segment, small, true});
    free.emplace(rest, address);
    block->second.size = bytes;
  }
  allocated_ += block->second.size;
  return block->first;
}

void CachingAllocator::Free(uint64_t address) {
  auto block = blocks_.find(address);
  allocated_ -= block->second.size;
  block->second.free = true;
  FreeBlocks(block->second).emplace(block->second.size, address);
  MergeWithNext(block);
  if (block != blocks_.begin()) MergeWithNext(std::prev(block));
}

void CachingAllocator::MergeWithNext(Blocks::iterator block) {
  const auto next = std::next(block);
  if (next == blocks_.end() || !next->second.free || !block->second.free ||
      next->second.segment != block->second.segment) {
    return;
  }
  auto& free = FreeBlocks(block->second);
  free.erase({block->second.size, block->first});
  free.erase({next->second.size, next->first});
  block->second.size += next->second.size;
  blocks_.erase(next);
  free.emplace(block->second.size, block->first);
}

uint64_t SimulateLoad(const ModelTree& tree, const SchemeRules& rules) {
  return Loader(tree, rules).allocated_bytes();
}

}  // namespace gantry
