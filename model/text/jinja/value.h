#ifndef GANTRY_MODEL_TEXT_JINJA_VALUE_H_
#define GANTRY_MODEL_TEXT_JINJA_VALUE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "model/text/jinja/text.h"

namespace gantry::jinja {

struct List;
struct Dict;
struct Namespace;
struct Callable;
struct Loop;

// Jinja's Undefined: prints as nothing, fails with `why` when it is used.
struct Undefined {
  std::shared_ptr<const std::string> why;
};
struct None {};

// A value of a template. Containers belong to the Runtime of the rendering and are freed with it
// at once, so that a value nested in itself a million times is no deep recursion.
class Value {
 public:
  Value() = default;
  explicit Value(Undefined v) : v_(std::move(v)) {}
  explicit Value(None v) : v_(v) {}
  explicit Value(bool v) : v_(v) {}
  explicit Value(int64_t v) : v_(v) {}
  explicit Value(double v) : v_(v) {}
  explicit Value(TextPtr v) : v_(std::move(v)) {}
  explicit Value(const List* v) : v_(v) {}
  explicit Value(const Dict* v) : v_(v) {}
  explicit Value(Namespace* v) : v_(v) {}
  explicit Value(const Callable* v) : v_(v) {}
  explicit Value(Loop* v) : v_(v) {}
  // Anything else would silently become a bool.
  template <typename T>
  explicit Value(T) = delete;

  bool IsUndefined() const { return Holds<Undefined>(); }
  bool IsNone() const { return Holds<None>(); }
  bool IsString() const { return Holds<TextPtr>(); }
  // True and False are integers where numbers are asked for, as in Python.
  bool IsInteger() const { return Holds<int64_t>() || Holds<bool>(); }
  bool IsNumber() const { return IsInteger() || Holds<double>(); }

  template <typename T>
  bool Holds() const {
    return std::holds_alternative<T>(v_);
  }
  template <typename T>
  const T& As() const {
    return *std::get_if<T>(&v_);
  }
  const TextPtr& text() const { return As<TextPtr>(); }
  // Requires IsInteger() or IsNumber().
  int64_t integer() const { return Holds<bool>() ? As<bool>() : As<int64_t>(); }
  double number() const { return Holds<double>() ? As<double>() : static_cast<double>(integer()); }
  // The object behind lists, dicts, macros and the like; null for the rest.
  const void* identity() const;

 private:
  std::variant<Undefined, None, bool, int64_t, double, TextPtr, const List*, const Dict*,
               Namespace*, const Callable*, Loop*>
      v_;
};

// A list or a tuple; sandboxed templates cannot change it.
struct List {
  std::vector<Value> items;
  bool tuple = false;
};

// Insertion-ordered. `index` maps DictKey(key) to the place in `entries`.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  absl::flat_hash_map<std::string, size_t> index;

  // Null when absent.
  const Value* Find(absl::string_view key) const;
};

struct Namespace {
  absl::flat_hash_map<std::string, Value> attributes;
};

// What `loop` is within a for.
struct Loop {
  const std::vector<Value>* items = nullptr;
  size_t index0 = 0;
  std::vector<Value> last_changed;
  bool changed_called = false;
};

// The Python name of a value's type, for messages: "str", "dict".
absl::string_view TypeName(const Value& value);
bool IsTrue(const Value& value);
Value MakeUndefined(std::string why);
inline Value MakeString(absl::string_view trusted) {
  return Value(TrustedText(std::string(trusted)));
}

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_VALUE_H_
