#include "model/text/jinja/sequence_filters.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "model/text/jinja/operators.h"
#include "model/text/jinja/print.h"
#include "model/text/jinja/string_ops.h"

namespace gantry::jinja {
namespace {

using Bound = std::vector<const Value*>;

// item.a.b.0 for the attribute "a.b.0"; the item itself for null or none. What is undefined on the
// way becomes the fallback, if there is one.
absl::StatusOr<Value> Lookup(Runtime& runtime, const Value& item, const Value* attribute,
                             const Value* fallback = nullptr) {
  if (attribute == nullptr || attribute->IsNone()) return item;
  if (!attribute->IsString()) {
    GANTRY_ASSIGN_OR_RETURN(Value found, GetItem(runtime, item, *attribute));
    return found.IsUndefined() && fallback != nullptr ? *fallback : found;
  }
  Value found = item;
  for (absl::string_view part : absl::StrSplit(attribute->text()->view(), '.')) {
    GANTRY_RETURN_IF_ERROR(runtime.Spend(1));
    int64_t number = 0;
    const bool index = absl::SimpleAtoi(part, &number);
    GANTRY_ASSIGN_OR_RETURN(found,
                            GetItem(runtime, found, index ? Value(number) : MakeString(part)));
    if (found.IsUndefined() && fallback != nullptr) found = *fallback;
  }
  return found;
}

// What a filter compares: the attribute, strings in lower case unless asked otherwise.
absl::StatusOr<Value> SortKey(Runtime& runtime, const Value& item, const Value* attribute,
                              bool case_sensitive) {
  GANTRY_ASSIGN_OR_RETURN(Value key, Lookup(runtime, item, attribute));
  if (case_sensitive || !key.IsString()) return key;
  GANTRY_ASSIGN_OR_RETURN(TextPtr lower, ChangeCase(runtime, *key.text(), Case::kLower));
  return Value(std::move(lower));
}

struct Keyed {
  Value key;
  Value item;
};

absl::StatusOr<std::vector<Keyed>> WithKeys(Runtime& runtime, std::vector<Value> items,
                                            const Value* attribute, bool case_sensitive) {
  std::vector<Keyed> keyed;
  keyed.reserve(items.size());
  for (Value& item : items) {
    GANTRY_ASSIGN_OR_RETURN(Value key, SortKey(runtime, item, attribute, case_sensitive));
    keyed.push_back({std::move(key), std::move(item)});
  }
  return keyed;
}

// Sorts by key; in reverse as Python does, equal ones staying in their order.
absl::StatusOr<std::vector<Value>> SortKeyed(Runtime& runtime, std::vector<Keyed> keyed,
                                             bool reverse) {
  if (reverse) std::reverse(keyed.begin(), keyed.end());
  GANTRY_RETURN_IF_ERROR(
      StableSort(runtime, &keyed, [](const Keyed& k) -> const Value& { return k.key; }));
  if (reverse) std::reverse(keyed.begin(), keyed.end());
  std::vector<Value> items;
  items.reserve(keyed.size());
  for (Keyed& k : keyed) items.push_back(std::move(k.item));
  return items;
}

absl::StatusOr<Value> Sort(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound,
                          BindArgs("sort", args, {"reverse", "case_sensitive", "attribute"}));
  GANTRY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime, self));
  GANTRY_ASSIGN_OR_RETURN(std::vector<Keyed> keyed,
                          WithKeys(runtime, std::move(items), bound[2], BoolArg(bound[1], false)));
  GANTRY_ASSIGN_OR_RETURN(std::vector<Value> sorted,
                          SortKeyed(runtime, std::move(keyed), BoolArg(bound[0], false)));
  return runtime.NewList(std::move(sorted));
}

absl::StatusOr<Value> DictSort(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound,
                          BindArgs("dictsort", args, {"case_sensitive", "by", "reverse"}));
  if (!self.Holds<const Dict*>()) return absl::InvalidArgumentError("dictsort: expected a dict");
  GANTRY_ASSIGN_OR_RETURN(const TextPtr by, TextArg(bound[1], "by", "key"));
  if (by->bytes != "key" && by->bytes != "value") {
    return absl::InvalidArgumentError("dictsort: by must be \"key\" or \"value\"");
  }
  const Dict& dict = *self.As<const Dict*>();
  GANTRY_RETURN_IF_ERROR(runtime.Spend(dict.entries.size()));
  std::vector<Value> items;
  for (const auto& [key, value] : dict.entries) items.push_back(runtime.NewTuple({key, value}));
  const Value side(int64_t{by->bytes == "value"});
  GANTRY_ASSIGN_OR_RETURN(std::vector<Keyed> keyed,
                          WithKeys(runtime, std::move(items), &side, BoolArg(bound[0], false)));
  GANTRY_ASSIGN_OR_RETURN(std::vector<Value> sorted,
                          SortKeyed(runtime, std::move(keyed), BoolArg(bound[2], false)));
  return runtime.NewList(std::move(sorted));
}

absl::StatusOr<Value> Unique(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound,
                          BindArgs("unique", args, {"case_sensitive", "attribute"}));
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  absl::flat_hash_set<std::string> seen;
  std::vector<Value> unique;
  for (const Value& item : items) {
    GANTRY_ASSIGN_OR_RETURN(const Value key,
                            SortKey(runtime, item, bound[1], BoolArg(bound[0], false)));
    GANTRY_ASSIGN_OR_RETURN(std::string hashed, DictKey(key));
    if (seen.insert(std::move(hashed)).second) unique.push_back(item);
  }
  return runtime.NewList(std::move(unique));
}

template <bool kMax>
absl::StatusOr<Value> Extreme(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound,
                          BindArgs("min", args, {"case_sensitive", "attribute"}));
  GANTRY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime, self));
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Keyed> keyed,
                          WithKeys(runtime, std::move(items), bound[1], BoolArg(bound[0], false)));
  if (keyed.empty()) return MakeUndefined("there is no smallest or largest of no items");
  const Keyed* best = &keyed[0];
  for (const Keyed& k : keyed) {
    GANTRY_ASSIGN_OR_RETURN(const bool better, kMax ? Less(runtime, best->key, k.key)
                                                    : Less(runtime, k.key, best->key));
    if (better) best = &k;
  }
  return best->item;
}

absl::StatusOr<Value> Sum(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("sum", args, {"attribute", "start"}));
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  Value total = bound[1] != nullptr ? *bound[1] : Value(int64_t{0});
  for (const Value& item : items) {
    GANTRY_ASSIGN_OR_RETURN(const Value part, Lookup(runtime, item, bound[0]));
    GANTRY_ASSIGN_OR_RETURN(total, BinaryOp(runtime, Op::kAdd, total, part));
  }
  return total;
}

absl::StatusOr<Value> JoinFilter(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("join", args, {"d", "attribute"}));
  const TextPtr none = TrustedText("");
  GANTRY_ASSIGN_OR_RETURN(const TextPtr separator,
                          bound[0] == nullptr ? none : ToText(runtime, *bound[0]));
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  std::vector<TextPtr> parts;
  for (const Value& item : items) {
    GANTRY_ASSIGN_OR_RETURN(const Value part, Lookup(runtime, item, bound[1]));
    GANTRY_ASSIGN_OR_RETURN(TextPtr text, ToText(runtime, part));
    parts.push_back(std::move(text));
  }
  GANTRY_ASSIGN_OR_RETURN(TextPtr joined, Join(runtime, *separator, parts));
  return Value(std::move(joined));
}

template <bool kLast>
absl::StatusOr<Value> End(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs(kLast ? "last" : "first", args, {}).status());
  if (self.IsString() || self.Holds<const List*>()) {
    return GetItem(runtime, self, Value(int64_t{kLast ? -1 : 0}));
  }
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  if (items.empty()) return MakeUndefined("there is no first or last of no items");
  return kLast ? items.back() : items.front();
}

absl::StatusOr<Value> ListFilter(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("list", args, {}).status());
  GANTRY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime, self));
  return runtime.NewList(std::move(items));
}

absl::StatusOr<Value> Reverse(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("reverse", args, {}).status());
  if (self.IsString()) {
    const Value step(int64_t{-1});
    return GetSlice(runtime, self, nullptr, nullptr, &step);
  }
  GANTRY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime, self));
  std::reverse(items.begin(), items.end());
  return runtime.NewList(std::move(items));
}

absl::StatusOr<Value> Items(Runtime& runtime, const Value& self, const Args& args) {
  if (self.IsUndefined()) return runtime.NewList({});
  if (!self.Holds<const Dict*>()) return absl::InvalidArgumentError("items: expected a dict");
  return FindContainerMethod(self, "items")->function(runtime, self, args);
}

// Jinja2 does not even look at the arguments where there is nothing to go through, be it none.
absl::StatusOr<Value> Map(Runtime& runtime, const Value& self, const Args& args) {
  if (!IsTrue(self)) return runtime.NewList({});
  GANTRY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime, self));
  if (args.positional.empty()) {
    GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("map", args, {"attribute", "default"}, 1));
    for (Value& item : items) {
      GANTRY_ASSIGN_OR_RETURN(item, Lookup(runtime, item, bound[0], bound[1]));
    }
    return runtime.NewList(std::move(items));
  }
  GANTRY_ASSIGN_OR_RETURN(const TextPtr name, TextArg(&args.positional[0], "filter", ""));
  const Builtin* filter = FindFilter(name->bytes);
  if (filter == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("map: there is no filter named '", name->bytes, "'"));
  }
  Args rest = args;
  rest.positional.erase(rest.positional.begin());
  for (Value& item : items) {
    GANTRY_RETURN_IF_ERROR(runtime.Spend(1 + rest.positional.size() + rest.named.size()));
    GANTRY_ASSIGN_OR_RETURN(item, filter->function(runtime, item, rest));
  }
  return runtime.NewList(std::move(items));
}

// select, reject, selectattr, rejectattr: the items of which a test, or their truth, is kWanted.
template <bool kWanted, bool kAttribute>
absl::StatusOr<Value> Choose(Runtime& runtime, const Value& self, const Args& args) {
  if (!IsTrue(self)) return runtime.NewList({});
  Args rest = args;
  Value attribute;
  const size_t needed = kAttribute ? 1 : 0;
  if (rest.positional.size() < needed) {
    return absl::InvalidArgumentError("selectattr: an attribute is missing");
  }
  if (kAttribute) {
    attribute = rest.positional[0];
    rest.positional.erase(rest.positional.begin());
  }
  const Builtin* test = nullptr;
  if (!rest.positional.empty()) {
    GANTRY_ASSIGN_OR_RETURN(const TextPtr name, TextArg(&rest.positional[0], "test", ""));
    test = FindTest(name->bytes);
    if (test == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("select: there is no test named '", name->bytes, "'"));
    }
    rest.positional.erase(rest.positional.begin());
  }
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  std::vector<Value> chosen;
  for (const Value& item : items) {
    GANTRY_RETURN_IF_ERROR(runtime.Spend(1));
    GANTRY_ASSIGN_OR_RETURN(Value tested, Lookup(runtime, item, kAttribute ? &attribute : nullptr));
    if (test != nullptr) {
      GANTRY_ASSIGN_OR_RETURN(tested, test->function(runtime, tested, rest));
    }
    if (IsTrue(tested) == kWanted) chosen.push_back(item);
  }
  return runtime.NewList(std::move(chosen));
}

absl::StatusOr<Value> Batch(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound,
                          BindArgs("batch", args, {"linecount", "fill_with"}, 1));
  GANTRY_ASSIGN_OR_RETURN(const int64_t size, IntArg(bound[0], "linecount", 1));
  if (size < 1) return absl::InvalidArgumentError("batch: linecount must be positive");
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, self));
  std::vector<Value> batches;
  for (size_t begin = 0; begin < items.size(); begin += size) {
    const size_t end = size < items.size() - begin ? begin + size : items.size();
    std::vector<Value> batch(items.begin() + begin, items.begin() + end);
    if (bound[1] != nullptr && !bound[1]->IsNone()) {
      GANTRY_RETURN_IF_ERROR(runtime.Spend(size - batch.size()));
      batch.resize(size, *bound[1]);
    }
    batches.push_back(runtime.NewList(std::move(batch)));
    if (end == items.size()) break;
  }
  return runtime.NewList(std::move(batches));
}

constexpr Builtin kFilters[] = {
    {"sort", Sort},
    {"dictsort", DictSort},
    {"unique", Unique},
    {"min", Extreme<false>},
    {"max", Extreme<true>},
    {"sum", Sum},
    {"join", JoinFilter},
    {"first", End<false>},
    {"last", End<true>},
    {"list", ListFilter},
    {"reverse", Reverse},
    {"items", Items},
    {"map", Map},
    {"select", Choose<true, false>},
    {"reject", Choose<false, false>},
    {"selectattr", Choose<true, true>},
    {"rejectattr", Choose<false, true>},
    {"batch", Batch},
};

}  // namespace

const Builtin* FindSequenceFilter(absl::string_view name) { return FindBuiltin(kFilters, name); }

}  // namespace gantry::jinja
