#include "model/text/jinja/value.h"

#include "absl/strings/str_cat.h"

namespace gantry::jinja {

const void* Value::identity() const {
  if (Holds<const List*>()) return As<const List*>();
  if (Holds<const Dict*>()) return As<const Dict*>();
  if (Holds<Namespace*>()) return As<Namespace*>();
  if (Holds<const Callable*>()) return As<const Callable*>();
  if (Holds<Loop*>()) return As<Loop*>();
  return nullptr;
}

const Value* Dict::Find(absl::string_view key) const {
  const auto it = index.find(absl::StrCat("s", key));
  return it == index.end() ? nullptr : &entries[it->second].second;
}

absl::string_view TypeName(const Value& value) {
  if (value.IsUndefined()) return "Undefined";
  if (value.IsNone()) return "NoneType";
  if (value.Holds<bool>()) return "bool";
  if (value.Holds<int64_t>()) return "int";
  if (value.Holds<double>()) return "float";
  if (value.IsString()) return "str";
  if (value.Holds<const List*>()) return value.As<const List*>()->tuple ? "tuple" : "list";
  if (value.Holds<const Dict*>()) return "dict";
  if (value.Holds<Namespace*>()) return "Namespace";
  if (value.Holds<Loop*>()) return "LoopContext";
  return "function";
}

bool IsTrue(const Value& value) {
  if (value.IsUndefined() || value.IsNone()) return false;
  if (value.IsInteger()) return value.integer() != 0;
  if (value.Holds<double>()) return value.As<double>() != 0;
  if (value.IsString()) return !value.text()->bytes.empty();
  if (value.Holds<const List*>()) return !value.As<const List*>()->items.empty();
  if (value.Holds<const Dict*>()) return !value.As<const Dict*>()->entries.empty();
  return true;
}

Value MakeUndefined(std::string why) {
  return Value(Undefined{std::make_shared<const std::string>(std::move(why))});
}

}  // namespace gantry::jinja
