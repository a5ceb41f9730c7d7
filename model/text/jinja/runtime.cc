#include "model/text/jinja/runtime.h"

#include <cmath>

#include "absl/base/casts.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace gantry::jinja {

absl::Status Runtime::Spend(uint64_t steps) {
  steps_ += std::min<uint64_t>(steps, uint64_t{1} << 40);
  if (steps_ <= limits_.steps) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the chat template takes more than ", limits_.steps, " steps"));
}

absl::Status Runtime::SpendBytes(uint64_t bytes) {
  bytes_ += std::min<uint64_t>(bytes, uint64_t{1} << 40);
  if (bytes_ <= limits_.bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the chat template makes more than ", limits_.bytes, " bytes of strings"));
}

Value Runtime::NewList(std::vector<Value> items) {
  lists_.push_back({std::move(items), false});
  return Value(static_cast<const List*>(&lists_.back()));
}

Value Runtime::NewTuple(std::vector<Value> items) {
  lists_.push_back({std::move(items), true});
  return Value(static_cast<const List*>(&lists_.back()));
}

absl::StatusOr<Value> Runtime::NewDict(std::vector<std::pair<Value, Value>> entries) {
  Dict& dict = dicts_.emplace_back();
  for (auto& [key, value] : entries) {
    GANTRY_ASSIGN_OR_RETURN(std::string hashed, DictKey(key));
    GANTRY_RETURN_IF_ERROR(SpendBytes(hashed.size()));
    const auto [it, fresh] = dict.index.try_emplace(std::move(hashed), dict.entries.size());
    if (fresh) {
      dict.entries.emplace_back(std::move(key), std::move(value));
    } else {
      dict.entries[it->second].second = std::move(value);
    }
  }
  return Value(static_cast<const Dict*>(&dict));
}

Namespace* Runtime::NewNamespace() { return &namespaces_.emplace_back(); }

Value Runtime::NewCallable(Callable callable) {
  callables_.push_back(std::move(callable));
  return Value(static_cast<const Callable*>(&callables_.back()));
}

Loop* Runtime::NewLoop() { return &loops_.emplace_back(); }

Scope* Runtime::NewScope(Scope* parent) {
  Scope& scope = scopes_.emplace_back();
  scope.parent = parent;
  return &scope;
}

absl::StatusOr<std::string> DictKey(const Value& key, int depth) {
  if (key.IsString()) return absl::StrCat("s", key.text()->bytes);
  if (key.IsInteger()) return absl::StrCat("i", key.integer());
  if (key.Holds<double>()) {
    const double number = key.As<double>();
    if (std::abs(number) < 9e18 && number == std::trunc(number)) {
      return absl::StrCat("i", static_cast<int64_t>(number));
    }
    return absl::StrCat("f", absl::bit_cast<uint64_t>(number));
  }
  if (key.IsNone()) return std::string("n");
  if (key.IsUndefined()) return std::string("u");
  if (key.Holds<const List*>() && key.As<const List*>()->tuple && depth < 8) {
    std::string joined = "t";
    for (const Value& item : key.As<const List*>()->items) {
      GANTRY_ASSIGN_OR_RETURN(const std::string part, DictKey(item, depth + 1));
      absl::StrAppend(&joined, part.size(), ":", part);
    }
    return joined;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unhashable type: '", std::string(TypeName(key)), "'"));
}

}  // namespace gantry::jinja
