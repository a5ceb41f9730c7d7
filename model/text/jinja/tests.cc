#include "base/status_macros.h"
#include "model/text/jinja/builtin.h"
#include "model/text/jinja/operators.h"
#include "model/text/jinja/string_ops.h"

namespace gantry::jinja {
namespace {

// A test without arguments.
template <bool (*kPredicate)(const Value&)>
absl::StatusOr<Value> Is(Runtime&, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("the test", args, {}).status());
  return Value(kPredicate(self));
}

bool IsDefined(const Value& v) { return !v.IsUndefined(); }
bool IsUndefined(const Value& v) { return v.IsUndefined(); }
bool IsNone(const Value& v) { return v.IsNone(); }
bool IsString(const Value& v) { return v.IsString(); }
bool IsNumber(const Value& v) { return v.IsNumber(); }
bool IsIntegerNotBool(const Value& v) { return v.Holds<int64_t>(); }
bool IsFloat(const Value& v) { return v.Holds<double>(); }
bool IsBoolean(const Value& v) { return v.Holds<bool>(); }
bool IsMapping(const Value& v) { return v.Holds<const Dict*>(); }
bool IsSequence(const Value& v) {
  return v.IsString() || v.IsUndefined() || v.Holds<const List*>() || v.Holds<const Dict*>();
}
bool IsCallable(const Value& v) { return v.Holds<const Callable*>() || v.IsUndefined(); }
bool IsTrueItself(const Value& v) { return v.Holds<bool>() && v.As<bool>(); }
bool IsFalseItself(const Value& v) { return v.Holds<bool>() && !v.As<bool>(); }

template <CompareOp kOp>
absl::StatusOr<Value> CompareTest(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const auto bound, BindArgs("a comparison", args, {"other"}, 1));
  GANTRY_ASSIGN_OR_RETURN(const bool holds, Compare(runtime, kOp, self, *bound[0]));
  return Value(holds);
}

absl::StatusOr<Value> Remainder(Runtime& runtime, const Value& self, const Value& divisor) {
  return BinaryOp(runtime, Op::kMod, self, divisor);
}

template <bool kWanted>
absl::StatusOr<Value> ParityTest(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("odd", args, {}).status());
  GANTRY_ASSIGN_OR_RETURN(const Value rest, Remainder(runtime, self, Value(int64_t{2})));
  return Value(rest.IsNumber() && (rest.number() == 1) == kWanted);
}

absl::StatusOr<Value> DivisibleBy(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const auto bound, BindArgs("divisibleby", args, {"num"}, 1));
  GANTRY_ASSIGN_OR_RETURN(const Value rest, Remainder(runtime, self, *bound[0]));
  return Value(rest.IsNumber() && rest.number() == 0);
}

absl::StatusOr<Value> SameAs(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const auto bound, BindArgs("sameas", args, {"other"}, 1));
  if (self.identity() != nullptr) return Value(self.identity() == bound[0]->identity());
  if (TypeName(self) != TypeName(*bound[0])) return Value(false);
  GANTRY_ASSIGN_OR_RETURN(const bool same, Equal(runtime, self, *bound[0]));
  return Value(same);
}

template <Case kCase>
absl::StatusOr<Value> CaseTest(Runtime& runtime, const Value& self, const Args& args) {
  const Builtin* method = FindStringMethod(kCase == Case::kUpper ? "isupper" : "islower");
  if (!self.IsString()) return Value(false);
  return method->function(runtime, self, args);
}

template <const Builtin* (*kFind)(absl::string_view)>
absl::StatusOr<Value> ExistsTest(Runtime&, const Value& self, const Args&) {
  return Value(self.IsString() && kFind(self.text()->bytes) != nullptr);
}

constexpr Builtin kTests[] = {
    {"defined", Is<IsDefined>},
    {"undefined", Is<IsUndefined>},
    {"none", Is<IsNone>},
    {"string", Is<IsString>},
    {"number", Is<IsNumber>},
    {"integer", Is<IsIntegerNotBool>},
    {"float", Is<IsFloat>},
    {"boolean", Is<IsBoolean>},
    {"mapping", Is<IsMapping>},
    {"iterable", Is<IsSequence>},
    {"sequence", Is<IsSequence>},
    {"callable", Is<IsCallable>},
    {"true", Is<IsTrueItself>},
    {"false", Is<IsFalseItself>},
    {"odd", ParityTest<true>},
    {"even", ParityTest<false>},
    {"divisibleby", DivisibleBy},
    {"sameas", SameAs},
    {"upper", CaseTest<Case::kUpper>},
    {"lower", CaseTest<Case::kLower>},
    {"filter", ExistsTest<FindFilter>},
    {"test", ExistsTest<FindTest>},
    {"eq", CompareTest<CompareOp::kEq>},
    {"equalto", CompareTest<CompareOp::kEq>},
    {"==", CompareTest<CompareOp::kEq>},
    {"ne", CompareTest<CompareOp::kNe>},
    {"!=", CompareTest<CompareOp::kNe>},
    {"lt", CompareTest<CompareOp::kLt>},
    {"lessthan", CompareTest<CompareOp::kLt>},
    {"<", CompareTest<CompareOp::kLt>},
    {"le", CompareTest<CompareOp::kLe>},
    {"<=", CompareTest<CompareOp::kLe>},
    {"gt", CompareTest<CompareOp::kGt>},
    {"greaterthan", CompareTest<CompareOp::kGt>},
    {">", CompareTest<CompareOp::kGt>},
    {"ge", CompareTest<CompareOp::kGe>},
    {">=", CompareTest<CompareOp::kGe>},
    {"in", CompareTest<CompareOp::kIn>},
};

}  // namespace

const Builtin* FindTest(absl::string_view name) { return FindBuiltin(kTests, name); }

}  // namespace gantry::jinja
