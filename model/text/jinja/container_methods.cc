#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/jinja/builtin.h"
#include "model/text/jinja/operators.h"

namespace gantry::jinja {
namespace {

using Bound = std::vector<const Value*>;

absl::StatusOr<Value> DictItems(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("items", args, {}).status());
  const Dict& dict = *self.As<const Dict*>();
  GANTRY_RETURN_IF_ERROR(runtime.Spend(dict.entries.size() * 2));
  std::vector<Value> items;
  for (const auto& [key, value] : dict.entries) items.push_back(runtime.NewTuple({key, value}));
  return runtime.NewList(std::move(items));
}

template <bool kKeys>
absl::StatusOr<Value> DictSide(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs(kKeys ? "keys" : "values", args, {}).status());
  const Dict& dict = *self.As<const Dict*>();
  GANTRY_RETURN_IF_ERROR(runtime.Spend(dict.entries.size()));
  std::vector<Value> items;
  for (const auto& [key, value] : dict.entries) items.push_back(kKeys ? key : value);
  return runtime.NewList(std::move(items));
}

absl::StatusOr<Value> DictGet(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("get", args, {"key", "default"}, 1));
  if (!args.named.empty()) return absl::InvalidArgumentError("get: takes no named arguments");
  const Dict& dict = *self.As<const Dict*>();
  GANTRY_ASSIGN_OR_RETURN(const std::string key, DictKey(*bound[0]));
  const auto it = dict.index.find(key);
  if (it != dict.index.end()) return dict.entries[it->second].second;
  return bound[1] != nullptr ? *bound[1] : Value(None{});
}

absl::StatusOr<Value> DictCopy(Runtime&, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("copy", args, {}).status());
  return self;  // nobody can tell: dicts do not change
}

absl::StatusOr<Value> ListIndex(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("index", args, {"value"}, 1));
  const std::vector<Value>& items = self.As<const List*>()->items;
  for (size_t i = 0; i < items.size(); ++i) {
    GANTRY_ASSIGN_OR_RETURN(const bool same, Equal(runtime, items[i], *bound[0]));
    if (same) return Value(static_cast<int64_t>(i));
  }
  return absl::InvalidArgumentError("index: the value is not in the list");
}

absl::StatusOr<Value> ListCount(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("count", args, {"value"}, 1));
  int64_t count = 0;
  for (const Value& item : self.As<const List*>()->items) {
    GANTRY_ASSIGN_OR_RETURN(const bool same, Equal(runtime, item, *bound[0]));
    count += same;
  }
  return Value(count);
}

absl::StatusOr<Value> LoopCycle(Runtime&, const Value& self, const Args& args) {
  if (args.positional.empty()) return absl::InvalidArgumentError("loop.cycle: no items given");
  return args.positional[self.As<Loop*>()->index0 % args.positional.size()];
}

absl::StatusOr<Value> LoopChanged(Runtime& runtime, const Value& self, const Args& args) {
  Loop& loop = *self.As<Loop*>();
  bool same = loop.changed_called && loop.last_changed.size() == args.positional.size();
  for (size_t i = 0; same && i < args.positional.size(); ++i) {
    GANTRY_ASSIGN_OR_RETURN(same, Equal(runtime, loop.last_changed[i], args.positional[i]));
  }
  loop.changed_called = true;
  loop.last_changed = args.positional;
  return Value(!same);
}

// What would change a container: known, so that it is refused by name.
absl::StatusOr<Value> Immutable(Runtime&, const Value& self, const Args&) {
  return absl::InvalidArgumentError(absl::StrCat(
      "a ", std::string(TypeName(self)), " cannot be changed: chat templates run in a sandbox"));
}

constexpr Builtin kDictMethods[] = {
    {"items", DictItems},      {"keys", DictSide<true>}, {"values", DictSide<false>},
    {"get", DictGet},          {"copy", DictCopy},       {"update", Immutable},
    {"setdefault", Immutable}, {"pop", Immutable},       {"popitem", Immutable},
    {"clear", Immutable},
};
constexpr Builtin kTupleMethods[] = {{"index", ListIndex}, {"count", ListCount}};
constexpr Builtin kListMethods[] = {
    {"index", ListIndex},  {"count", ListCount}, {"append", Immutable}, {"extend", Immutable},
    {"insert", Immutable}, {"pop", Immutable},   {"remove", Immutable}, {"reverse", Immutable},
    {"sort", Immutable},   {"clear", Immutable},
};
constexpr Builtin kLoopMethods[] = {{"cycle", LoopCycle}, {"changed", LoopChanged}};

}  // namespace

const Builtin* FindContainerMethod(const Value& receiver, absl::string_view name) {
  if (receiver.Holds<const Dict*>()) return FindBuiltin(kDictMethods, name);
  if (receiver.Holds<Loop*>()) return FindBuiltin(kLoopMethods, name);
  if (!receiver.Holds<const List*>()) return nullptr;
  return receiver.As<const List*>()->tuple ? FindBuiltin(kTupleMethods, name)
                                           : FindBuiltin(kListMethods, name);
}

}  // namespace gantry::jinja
