#include "model/text/jinja/builtin.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace gantry::jinja {

absl::StatusOr<std::vector<const Value*>> BindArgs(absl::string_view function, const Args& args,
                                                   std::initializer_list<absl::string_view> names,
                                                   size_t required) {
  std::vector<const Value*> bound(names.size(), nullptr);
  if (args.positional.size() > names.size()) {
    return absl::InvalidArgumentError(absl::StrCat(function, " takes at most ", names.size(),
                                                   " arguments, ", args.positional.size(),
                                                   " given"));
  }
  for (size_t i = 0; i < args.positional.size(); ++i) bound[i] = &args.positional[i];
  for (const auto& [name, value] : args.named) {
    const auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end()) {
      return absl::InvalidArgumentError(absl::StrCat(function, " has no argument \"", name, "\""));
    }
    const Value*& slot = bound[it - names.begin()];
    if (slot != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(function, ": argument \"", name, "\" is given twice"));
    }
    slot = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (bound[i] == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(function, ": argument \"", *(names.begin() + i), "\" is missing"));
    }
  }
  return bound;
}

absl::StatusOr<int64_t> IntArg(const Value* arg, absl::string_view name, int64_t fallback) {
  if (arg == nullptr) return fallback;
  if (arg->IsInteger()) return arg->integer();
  return absl::InvalidArgumentError(absl::StrCat("argument \"", name, "\": expected an int, found ",
                                                 std::string(TypeName(*arg))));
}

absl::StatusOr<TextPtr> TextArg(const Value* arg, absl::string_view name,
                                absl::string_view fallback) {
  if (arg == nullptr) return TrustedText(std::string(fallback));
  if (arg->IsString()) return arg->text();
  return absl::InvalidArgumentError(
      absl::StrCat("argument \"", name, "\": expected a str, found ", std::string(TypeName(*arg))));
}

}  // namespace gantry::jinja
