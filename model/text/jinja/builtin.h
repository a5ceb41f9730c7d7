#ifndef GANTRY_MODEL_TEXT_JINJA_BUILTIN_H_
#define GANTRY_MODEL_TEXT_JINJA_BUILTIN_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/text/jinja/runtime.h"

namespace gantry::jinja {

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// A filter, test, method or global function. `self` is the filtered or tested value or the
// receiver; none for functions. A test returns a bool.
struct Builtin {
  using Function = absl::StatusOr<Value> (*)(Runtime& runtime, const Value& self, const Args& args);
  absl::string_view name;
  Function function;
};

// Null when there is none of that name.
const Builtin* FindFilter(absl::string_view name);
const Builtin* FindTest(absl::string_view name);
const Builtin* FindFunction(absl::string_view name);
const Builtin* FindStringMethod(absl::string_view name);
// Of lists, tuples, dicts and `loop`.
const Builtin* FindContainerMethod(const Value& receiver, absl::string_view name);

template <size_t N>
const Builtin* FindBuiltin(const Builtin (&table)[N], absl::string_view name) {
  for (const Builtin& builtin : table) {
    if (builtin.name == name) return &builtin;
  }
  return nullptr;
}

// The arguments in the order of `names`, null where not given. INVALID_ARGUMENT for one too many,
// an unknown name, one given twice, and when one of the first `required` is missing.
absl::StatusOr<std::vector<const Value*>> BindArgs(absl::string_view function, const Args& args,
                                                   std::initializer_list<absl::string_view> names,
                                                   size_t required = 0);

// The argument's value, or `fallback` when it is null (not given). INVALID_ARGUMENT for another
// type.
absl::StatusOr<int64_t> IntArg(const Value* arg, absl::string_view name, int64_t fallback);
absl::StatusOr<TextPtr> TextArg(const Value* arg, absl::string_view name,
                                absl::string_view fallback);
inline bool BoolArg(const Value* arg, bool fallback) {
  return arg == nullptr ? fallback : IsTrue(*arg);
}

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_BUILTIN_H_
