#ifndef GANTRY_MODEL_TEXT_JINJA_OPERATORS_H_
#define GANTRY_MODEL_TEXT_JINJA_OPERATORS_H_

#include <algorithm>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/text/jinja/ast.h"
#include "model/text/jinja/runtime.h"

namespace gantry::jinja {

// Python's operators on values. All return INVALID_ARGUMENT for operands that Python refuses, for
// Undefined, and for integers beyond 64 bits.
absl::StatusOr<Value> BinaryOp(Runtime& runtime, Op op, const Value& a, const Value& b);
absl::StatusOr<Value> Negate(const Value& value);
absl::StatusOr<bool> Equal(Runtime& runtime, const Value& a, const Value& b, int depth = 0);
absl::StatusOr<bool> Less(Runtime& runtime, const Value& a, const Value& b, int depth = 0);
absl::StatusOr<bool> Compare(Runtime& runtime, CompareOp op, const Value& a, const Value& b);
absl::StatusOr<bool> Contains(Runtime& runtime, const Value& container, const Value& item);
// A list * n, a string * n.
absl::StatusOr<Value> Repeat(Runtime& runtime, const Value& sequence, int64_t times);

// len(value) and the items that a loop over it sees.
absl::StatusOr<int64_t> Length(Runtime& runtime, const Value& value);
absl::StatusOr<std::vector<Value>> Iterate(Runtime& runtime, const Value& value);

// value.name, value[key], value[start:stop:step] (null where absent). What does not exist is
// Undefined; looking into Undefined is an error.
absl::StatusOr<Value> GetAttribute(Runtime& runtime, const Value& value, absl::string_view name);
absl::StatusOr<Value> GetItem(Runtime& runtime, const Value& value, const Value& key);
absl::StatusOr<Value> GetSlice(Runtime& runtime, const Value& value, const Value* start,
                               const Value* stop, const Value* step);

// The error of using an undefined value.
absl::Status UndefinedError(const Value& undefined);

// Sorts *items by key(item), equal ones in their order.
template <typename T, typename Key>
absl::Status StableSort(Runtime& runtime, std::vector<T>* items, Key key) {
  absl::Status status;
  std::stable_sort(items->begin(), items->end(), [&](const T& a, const T& b) {
    if (!status.ok()) return false;
    absl::StatusOr<bool> less = Less(runtime, key(a), key(b));
    if (!less.ok()) status = less.status();
    return less.ok() && *less;
  });
  return status;
}

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_OPERATORS_H_
