#include "plan/accelerate/infer.h"

#include <algorithm>
#include <deque>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace gantry {
namespace {

// A module, or (null) a tensor that a module had when it was opened.
struct Item {
  std::string name;
  const TreeModule* module = nullptr;
};
using Items = std::deque<Item>;

bool IsWithin(const std::string& name, const std::string& module) {
  return name.size() > module.size() && name[module.size()] == '.' &&
         absl::StartsWith(name, module);
}

class Walk {
 public:
  Walk(const ModelTree& tree, const ModuleSizes& sizes, const MaxMemory& max_memory)
      : tree_(tree), sizes_(sizes), limits_(max_memory) {
    if (limits_.empty() || limits_.back().first != "disk") limits_.emplace_back("disk", 0);
    for (Item& item : Open(Item{"", tree.root.get()}, false)) items_.push_back(std::move(item));
    const std::string& first = limits_[0].first;
    bool has_mps = false;
    for (const auto& entry : limits_) has_mps = has_mps || entry.first == "mps";
    if (has_mps) {
      main_devices_ = {"mps"};
    } else {
      main_devices_ = {"cpu"};
      if (first != "disk") main_devices_.insert(first);
    }
    FindLargest();
  }

  DeviceMap Run() {
    while (!items_.empty()) {
      Item item = std::move(items_.front());
      items_.pop_front();
      Step(std::move(item));
    }
    return std::move(map_);
  }

 private:
  // What is left to do and one of these two can hold: the tied modules of `item`.
  struct Ties {
    std::vector<Item> modules;
    int64_t size_with_ties = 0;
  };

  int64_t Size(const std::string& name) const { return static_cast<int64_t>(sizes_.Of(name)); }

  bool CanOpen(const Item& item) const {
    if (item.module == nullptr || item.module->children.empty()) return false;
    const auto& whole = tree_.no_split_classes;
    return std::find(whole.begin(), whole.end(), item.module->class_name) == whole.end();
  }

  // Its tensors (buffers are forgotten, as accelerate does) and its children.
  static std::vector<Item> Open(const Item& item, bool modules_only) {
    const std::string prefix = item.name.empty() ? "" : absl::StrCat(item.name, ".");
    std::vector<Item> parts;
    for (const TreeTensor& tensor : item.module->tensors) {
      if (!tensor.is_buffer && !modules_only) {
        parts.push_back(Item{absl::StrCat(prefix, tensor.name), nullptr});
      }
    }
    for (const TreeChild& child : item.module->children) {
      parts.push_back(Item{absl::StrCat(prefix, child.name), child.module.get()});
    }
    return parts;
  }

  // The size of the largest module to come that will not be opened, and all that are as large.
  void FindLargest() {
    largest_ = 0;
    largest_names_.clear();
    std::vector<Item> left(items_.rbegin(), items_.rend());
    while (!left.empty()) {
      const Item item = std::move(left.back());
      left.pop_back();
      if (item.module == nullptr) continue;
      if (CanOpen(item)) {
        std::vector<Item> parts = Open(item, true);
        left.insert(left.end(), parts.rbegin(), parts.rend());
        continue;
      }
      const int64_t size = Size(item.name);
      if (size > largest_) {
        largest_ = size;
        largest_names_.clear();
      }
      if (size == largest_) largest_names_.push_back(item.name);
    }
  }

  Ties FindTies(const Item& item) const {
    Ties ties;
    ties.size_with_ties = Size(item.name);
    for (const std::vector<std::string>& group : tree_.tied) {
      const auto inside = [&](const std::string& tensor) { return IsWithin(tensor, item.name); };
      if (std::none_of(group.begin(), group.end(), inside)) continue;
      for (const std::string& tensor : group) {
        if (inside(tensor)) continue;
        const auto owner = std::find_if(items_.begin(), items_.end(), [&](const Item& other) {
          return IsWithin(tensor, other.name);
        });
        if (owner == items_.end()) continue;
        ties.size_with_ties += Size(owner->name) - Size(tensor);
        ties.modules.push_back(*owner);
      }
    }
    return ties;
  }

  void Step(Item item) {
    largest_names_.erase(std::remove_if(largest_names_.begin(), largest_names_.end(),
                                        [&](const std::string& name) {
                                          return name == item.name || IsWithin(name, item.name);
                                        }),
                         largest_names_.end());
    if (largest_names_.empty()) FindLargest();
    const auto& [device, bytes] = limits_[device_];
    const int64_t reserve = main_devices_.count(device) > 0 ? largest_ : 0;
    const int64_t limit = static_cast<int64_t>(bytes) - reserve;
    const int64_t size = Size(item.name);
    const Ties ties = FindTies(item);
    if (device == "disk" || used_ + ties.size_with_ties <= limit) {
      used_ += ties.size_with_ties;
      Place(item, ties, device);
      return;
    }
    if (!ties.modules.empty() && used_ + size <= limit && OpenATie(item, ties)) return;
    if (used_ + size >= limit && CanOpen(item)) {
      std::vector<Item> parts = Open(item, false);
      items_.insert(items_.begin(), parts.begin(), parts.end());
      FindLargest();
      return;
    }
    // The next device. accelerate never comes back to this one.
    ++device_;
    used_ = 0;
    items_.push_front(std::move(item));
  }

  void Place(const Item& item, const Ties& ties, const std::string& device) {
    Assign(item.name, device);
    for (const Item& tied : ties.modules) {
      const auto it = std::find_if(items_.begin(), items_.end(),
                                   [&](const Item& other) { return other.name == tied.name; });
      if (it != items_.end()) items_.erase(it);
      Assign(tied.name, device);
    }
  }

  void Assign(const std::string& name, const std::string& device) {
    const auto [it, is_new] = places_.try_emplace(name, map_.size());
    if (is_new) {
      map_.emplace_back(name, device);
    } else {
      map_[it->second].second = device;
    }
  }

  // Opens the first tied module that can be, so that less has to go with `item`.
  bool OpenATie(const Item& item, const Ties& ties) {
    for (const Item& tied : ties.modules) {
      if (!CanOpen(tied)) continue;
      const auto it = std::find_if(items_.begin(), items_.end(),
                                   [&](const Item& other) { return other.name == tied.name; });
      const std::vector<Item> parts = Open(tied, false);
      items_.insert(items_.erase(it), parts.begin(), parts.end());
      items_.push_front(item);
      FindLargest();
      return true;
    }
    return false;
  }

  const ModelTree& tree_;
  const ModuleSizes& sizes_;
  MaxMemory limits_;
  std::set<std::string> main_devices_;
  Items items_;
  size_t device_ = 0;
  int64_t used_ = 0;  // on limits_[device_]
  int64_t largest_ = 0;
  std::vector<std::string> largest_names_;
  DeviceMap map_;
  std::unordered_map<std::string, size_t> places_;  // in map_
};

// What lies below a module.
struct Below {
  const std::string* device = nullptr;
  size_t count = 0;
  bool mixed = false;
};

// Calls `visit` for each module above `name`, "" first, until it returns false.
template <typename Visitor>
void ForEachParent(const std::string& name, Visitor visit) {
  if (name.empty() || !visit(std::string())) return;
  for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    if (!visit(name.substr(0, dot))) return;
  }
}

}  // namespace

DeviceMap InferRawDeviceMap(const ModelTree& tree, const ModuleSizes& sizes,
                            const MaxMemory& max_memory) {
  return Walk(tree, sizes, max_memory).Run();
}

DeviceMap CleanDeviceMap(const DeviceMap& map) {
  std::unordered_map<std::string, Below> below;
  for (const auto& [name, device] : map) {
    ForEachParent(name, [&below, &device = device](const std::string& parent) {
      Below& parts = below[parent];
      parts.mixed = parts.mixed || (parts.count > 0 && *parts.device != device);
      parts.device = &device;
      ++parts.count;
      return true;
    });
  }
  DeviceMap cleaned;
  std::set<std::string> done;
  for (const auto& [name, device] : map) {
    std::string key = name;
    ForEachParent(name, [&below, &key](const std::string& parent) {
      const Below& parts = below[parent];
      const bool whole = !parts.mixed && parts.count > 1;
      if (whole) key = parent;
      return !whole;
    });
    if (done.insert(key).second) cleaned.emplace_back(key, device);
  }
  return cleaned;
}

}  // namespace gantry
