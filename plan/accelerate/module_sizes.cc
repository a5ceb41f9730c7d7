#include "plan/accelerate/module_sizes.h"

#include <set>

#include "absl/strings/string_view.h"

namespace gantry {
namespace {

uint64_t AccelerateBytes(const TreeTensor& tensor, Scheme scheme, const WeightFormat& format) {
  // In a quantised model the frequencies count as if they were quantised too.
  if (tensor.is_buffer && format.quantization.quantized()) {
    scheme = format.quantization.load_in_8bit ? Scheme::kInt8 : Scheme::kFp4;
  } else if (tensor.is_buffer) {
    return tensor.elements * DTypeSize(format.dtype);
  }
  switch (scheme) {
    case Scheme::kFp32:
      return 4 * tensor.elements;
    case Scheme::kFp16:
    case Scheme::kBf16:
      return 2 * tensor.elements;
    case Scheme::kInt8:
      return tensor.elements;
    case Scheme::kNf4:
    case Scheme::kFp4:
      break;
  }
  return tensor.elements / 2;
}

}  // namespace

uint64_t ModuleSizes::Of(const std::string& name) const {
  const auto it = bytes.find(name);
  return it == bytes.end() ? 0 : it->second;
}

ModuleSizes ComputeModuleSizes(const ModelTree& tree, const WeightFormat& format) {
  const SchemeRules rules(tree, format);
  std::set<std::string> repeated;
  for (const auto& group : tree.tied) repeated.insert(group.begin() + 1, group.end());
  ModuleSizes sizes;
  const auto add = [&](const std::string& name, uint64_t bytes) {
    const auto [it, is_new] = sizes.bytes.try_emplace(name, 0);
    if (is_new) sizes.names.push_back(name);
    it->second += bytes;
  };
  ForEachTensor(*tree.root, "",
                [&](const std::string& module_name, const TreeModule& module,
                    const std::string& name, const TreeTensor& tensor) {
                  if (repeated.count(name) > 0) return;
                  const Scheme scheme = rules.Of(module_name, module, tensor).scheme;
                  const uint64_t bytes = AccelerateBytes(tensor, scheme, format);
                  add("", bytes);
                  for (size_t dot = name.find('.'); dot != std::string::npos;
                       dot = name.find('.', dot + 1)) {
                    add(name.substr(0, dot), bytes);
                  }
                  add(name, bytes);
                });
  return sizes;
}

}  // namespace gantry
