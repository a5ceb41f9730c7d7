#include "model/text/jinja/operators.h"

#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/jinja/format.h"

namespace gantry::jinja {
namespace {

constexpr int kMaxDepth = 100;

absl::Status DepthError() {
  return absl::ResourceExhaustedError(
      absl::StrCat("values nested deeper than ", kMaxDepth, " levels are compared"));
}

absl::Status TypeError(absl::string_view op, const Value& a, const Value& b) {
  if (a.IsUndefined()) return UndefinedError(a);
  if (b.IsUndefined()) return UndefinedError(b);
  return absl::InvalidArgumentError(absl::StrCat("unsupported operand types for ", op, ": '",
                                                 std::string(TypeName(a)), "' and '",
                                                 std::string(TypeName(b)), "'"));
}

absl::string_view OpText(Op op) {
  static constexpr absl::string_view kTexts[] = {"+", "-", "*", "/", "//", "%", "**"};
  return kTexts[static_cast<int>(op)];
}

absl::StatusOr<Value> IntegerPower(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return absl::InvalidArgumentError("0 cannot be raised to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) break;
    exponent >>= 1;
    if (exponent == 0) return Value(result);
    if (__builtin_mul_overflow(base, base, &base)) break;
  }
  if (exponent == 0) return Value(result);
  return absl::InvalidArgumentError("an integer beyond 64 bits");
}

absl::StatusOr<Value> IntegerOp(Op op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Op::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Op::kSub:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Op::kMul:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Op::kPow:
      return IntegerPower(a, b);
    case Op::kDiv:
    case Op::kFloorDiv:
    case Op::kMod:
      if (b == 0) return absl::InvalidArgumentError("division by zero");
      if (op == Op::kDiv) return Value(static_cast<double>(a) / static_cast<double>(b));
      if (b == -1) {
        if (op == Op::kMod) return Value(int64_t{0});
        overflow = __builtin_sub_overflow(int64_t{0}, a, &result);
        break;
      }
      // Python rounds the quotient down; the remainder has the sign of the divisor.
      result = op == Op::kMod ? a % b : a / b;
      if (a % b != 0 && (a % b < 0) != (b < 0)) result += op == Op::kMod ? b : -1;
      break;
  }
  if (overflow) return absl::InvalidArgumentError("an integer beyond 64 bits");
  return Value(result);
}

absl::StatusOr<Value> FloatOp(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd:
      return Value(a + b);
    case Op::kSub:
      return Value(a - b);
    case Op::kMul:
      return Value(a * b);
    case Op::kPow:
      if ((a == 0 && b < 0) || (a < 0 && b != std::trunc(b))) {
        return absl::InvalidArgumentError("a power that is no real number");
      }
      return Value(std::pow(a, b));
    case Op::kDiv:
    case Op::kFloorDiv:
    case Op::kMod:
      break;
  }
  if (b == 0) return absl::InvalidArgumentError("division by zero");
  if (op == Op::kDiv) return Value(a / b);
  double mod = std::fmod(a, b);
  double quotient = (a - mod) / b;
  if (mod != 0 && (mod < 0) != (b < 0)) {
    mod += b;
    quotient -= 1;
  }
  return op == Op::kMod ? Value(mod) : Value(std::floor(quotient + 0.5));
}

absl::StatusOr<Value> Join(Runtime& runtime, const Value& a, const Value& b) {
  if (a.IsString()) {
    GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(a.text()->bytes.size() + b.text()->bytes.size()));
    TextBuilder out;
    out.Reserve(a.text()->bytes.size() + b.text()->bytes.size());
    out.Append(*a.text());
    out.Append(*b.text());
    return Value(out.Build());
  }
  std::vector<Value> items = a.As<const List*>()->items;
  const std::vector<Value>& more = b.As<const List*>()->items;
  GANTRY_RETURN_IF_ERROR(runtime.Spend(items.size() + more.size()));
  items.insert(items.end(), more.begin(), more.end());
  return a.As<const List*>()->tuple ? runtime.NewTuple(std::move(items))
                                    : runtime.NewList(std::move(items));
}

bool SameSequence(const Value& a, const Value& b) {
  if (a.IsString()) return b.IsString();
  return a.Holds<const List*>() && b.Holds<const List*>() &&
         a.As<const List*>()->tuple == b.As<const List*>()->tuple;
}

absl::StatusOr<bool> EqualLists(Runtime& runtime, const List& a, const List& b, int depth) {
  if (a.tuple != b.tuple || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    GANTRY_ASSIGN_OR_RETURN(const bool same, Equal(runtime, a.items[i], b.items[i], depth + 1));
    if (!same) return false;
  }
  return true;
}

absl::StatusOr<bool> EqualDicts(Runtime& runtime, const Dict& a, const Dict& b, int depth) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, place] : a.index) {
    const auto other = b.index.find(key);
    if (other == b.index.end()) return false;
    GANTRY_ASSIGN_OR_RETURN(const bool same, Equal(runtime, a.entries[place].second,
                                                   b.entries[other->second].second, depth + 1));
    if (!same) return false;
  }
  return true;
}

// Comparing an integer with a float through double would call 2^53 and 2^53 + 1 equal.
int CompareNumbers(const Value& a, const Value& b) {
  if (a.IsInteger() && b.IsInteger()) {
    return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
  }
  const auto x = a.IsInteger() ? static_cast<long double>(a.integer()) : a.number();
  const auto y = b.IsInteger() ? static_cast<long double>(b.integer()) : b.number();
  return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
}

}  // namespace

absl::Status UndefinedError(const Value& undefined) {
  const auto& why = undefined.As<Undefined>().why;
  return absl::InvalidArgumentError(why == nullptr ? "a value is undefined" : *why);
}

absl::StatusOr<Value> Repeat(Runtime& runtime, const Value& sequence, int64_t times) {
  const uint64_t count = std::max<int64_t>(times, 0);
  if (sequence.IsString()) {
    const Text& text = *sequence.text();
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(count, text.bytes.size(), &bytes)) bytes = UINT64_MAX;
    GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(bytes));
    TextBuilder out;
    out.Reserve(bytes);
    if (bytes > 0) {
      GANTRY_RETURN_IF_ERROR(runtime.Spend(count / 16));
      for (uint64_t i = 0; i < count; ++i) out.Append(text);
    }
    return Value(out.Build());
  }
  const List& list = *sequence.As<const List*>();
  uint64_t size = 0;
  if (__builtin_mul_overflow(count, list.items.size(), &size)) size = UINT64_MAX;
  GANTRY_RETURN_IF_ERROR(runtime.Spend(size));
  std::vector<Value> items;
  for (uint64_t i = 0; i < count && size > 0; ++i) {
    items.insert(items.end(), list.items.begin(), list.items.end());
  }
  return list.tuple ? runtime.NewTuple(std::move(items)) : runtime.NewList(std::move(items));
}

absl::StatusOr<Value> BinaryOp(Runtime& runtime, Op op, const Value& a, const Value& b) {
  if (a.IsInteger() && b.IsInteger()) return IntegerOp(op, a.integer(), b.integer());
  if (a.IsNumber() && b.IsNumber()) return FloatOp(op, a.number(), b.number());
  if (op == Op::kAdd && SameSequence(a, b)) return Join(runtime, a, b);
  if (op == Op::kMod && a.IsString()) return FormatPercent(runtime, a, b);
  if (op == Op::kMul) {
    const bool left = a.IsString() || a.Holds<const List*>();
    const bool right = b.IsString() || b.Holds<const List*>();
    if (left && b.IsInteger()) return Repeat(runtime, a, b.integer());
    if (right && a.IsInteger()) return Repeat(runtime, b, a.integer());
  }
  return TypeError(OpText(op), a, b);
}

absl::StatusOr<Value> Negate(const Value& value) {
  if (value.IsInteger()) return IntegerOp(Op::kSub, 0, value.integer());
  if (value.Holds<double>()) return Value(-value.As<double>());
  if (value.IsUndefined()) return UndefinedError(value);
  return absl::InvalidArgumentError(
      absl::StrCat("bad operand type for unary -: '", std::string(TypeName(value)), "'"));
}

absl::StatusOr<bool> Equal(Runtime& runtime, const Value& a, const Value& b, int depth) {
  GANTRY_RETURN_IF_ERROR(runtime.Spend(1));
  if (depth > kMaxDepth) return DepthError();
  if (a.IsNumber() && b.IsNumber()) return CompareNumbers(a, b) == 0;
  if (a.IsString() && b.IsString()) {
    GANTRY_RETURN_IF_ERROR(
        runtime.Spend(std::min(a.text()->bytes.size(), b.text()->bytes.size()) / 256));
    return a.text()->bytes == b.text()->bytes;
  }
  if (a.IsNone() || b.IsNone()) return a.IsNone() && b.IsNone();
  if (a.IsUndefined() || b.IsUndefined()) return a.IsUndefined() && b.IsUndefined();
  if (a.identity() != nullptr && a.identity() == b.identity()) return true;
  if (a.Holds<const List*>() && b.Holds<const List*>()) {
    return EqualLists(runtime, *a.As<const List*>(), *b.As<const List*>(), depth);
  }
  if (a.Holds<const Dict*>() && b.Holds<const Dict*>()) {
    return EqualDicts(runtime, *a.As<const Dict*>(), *b.As<const Dict*>(), depth);
  }
  return false;
}

absl::StatusOr<bool> Less(Runtime& runtime, const Value& a, const Value& b, int depth) {
  GANTRY_RETURN_IF_ERROR(runtime.Spend(1));
  if (depth > kMaxDepth) return DepthError();
  if (a.IsNumber() && b.IsNumber()) return CompareNumbers(a, b) == -1;
  if (!SameSequence(a, b)) return TypeError("<", a, b);
  if (a.IsString()) {
    GANTRY_RETURN_IF_ERROR(
        runtime.Spend(std::min(a.text()->bytes.size(), b.text()->bytes.size()) / 256));
    return a.text()->bytes < b.text()->bytes;
  }
  const std::vector<Value>& x = a.As<const List*>()->items;
  const std::vector<Value>& y = b.As<const List*>()->items;
  for (size_t i = 0; i < x.size() && i < y.size(); ++i) {
    GANTRY_ASSIGN_OR_RETURN(const bool same, Equal(runtime, x[i], y[i], depth + 1));
    if (!same) return Less(runtime, x[i], y[i], depth + 1);
  }
  return x.size() < y.size();
}

absl::StatusOr<bool> Compare(Runtime& runtime, CompareOp op, const Value& a, const Value& b) {
  auto negate = [](absl::StatusOr<bool> result) -> absl::StatusOr<bool> {
    if (!result.ok()) return result;
    return !*result;
  };
  if (op == CompareOp::kEq) return Equal(runtime, a, b);
  if (op == CompareOp::kNe) return negate(Equal(runtime, a, b));
  if (op == CompareOp::kIn) return Contains(runtime, b, a);
  if (op == CompareOp::kNotIn) return negate(Contains(runtime, b, a));
  if (op == CompareOp::kLt) return Less(runtime, a, b);
  if (op == CompareOp::kGt) return Less(runtime, b, a);
  // Not the negation of the other order: NaN is neither.
  GANTRY_ASSIGN_OR_RETURN(const bool less,
                          op == CompareOp::kLe ? Less(runtime, a, b) : Less(runtime, b, a));
  if (less) return true;
  return Equal(runtime, a, b);
}

absl::StatusOr<bool> Contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.IsUndefined()) return false;
  if (container.IsString()) {
    if (!item.IsString()) return TypeError("in", item, container);
    const std::string& text = container.text()->bytes;
    const std::string& part = item.text()->bytes;
    GANTRY_RETURN_IF_ERROR(runtime.Spend(text.size() / 256));
    return part.empty() || memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
  }
  if (container.Holds<const Dict*>()) {
    GANTRY_ASSIGN_OR_RETURN(const std::string key, DictKey(item));
    return container.As<const Dict*>()->index.contains(key);
  }
  if (container.Holds<const List*>()) {
    for (const Value& candidate : container.As<const List*>()->items) {
      GANTRY_ASSIGN_OR_RETURN(const bool same, Equal(runtime, candidate, item));
      if (same) return true;
    }
    return false;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("argument of type '", std::string(TypeName(container)), "' is not iterable"));
}

}  // namespace gantry::jinja
