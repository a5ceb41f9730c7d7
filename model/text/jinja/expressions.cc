#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/operators.h"
#include "model/text/jinja/print.h"

namespace gantry::jinja {

// Walks down the first operands in a loop and then applies what stands around them, so that
// a.b.c... and 1+1+1+... of any length need no stack.
absl::StatusOr<Value> Interpreter::Eval(const Expr* expr) {
  Level level(this);
  GANTRY_RETURN_IF_ERROR(level.Check());
  absl::InlinedVector<const Expr*, 8> around;
  for (; expr->left != nullptr; expr = expr->left) around.push_back(expr);
  GANTRY_RETURN_IF_ERROR(runtime_.Spend(1 + around.size()));
  absl::StatusOr<Value> value = EvalFirst(*expr);
  for (; value.ok() && !around.empty(); around.pop_back()) {
    const Value left = *std::move(value);
    value = Apply(*around.back(), left);
  }
  return value;
}

absl::StatusOr<Value> Interpreter::EvalFirst(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kLiteral:
      return expr.literal;
    case ExprKind::kName:
      return EvalName(expr.symbol);
    case ExprKind::kConcat:
      return EvalConcat(expr);
    case ExprKind::kDict:
      return EvalDict(expr);
    case ExprKind::kBlockInput:
      return Value(block_input_);
    case ExprKind::kList: {
      GANTRY_ASSIGN_OR_RETURN(std::vector<Value> items, EvalAll(expr.args));
      return runtime_.NewList(std::move(items));
    }
    case ExprKind::kTuple: {
      GANTRY_ASSIGN_OR_RETURN(std::vector<Value> items, EvalAll(expr.args));
      return runtime_.NewTuple(std::move(items));
    }
    default:
      return absl::InternalError("an expression without its first operand");
  }
}

absl::StatusOr<Value> Interpreter::Apply(const Expr& expr, const Value& left) {
  switch (expr.kind) {
    case ExprKind::kAttribute:
      return GetAttribute(runtime_, left, expr.name);
    case ExprKind::kItem: {
      GANTRY_ASSIGN_OR_RETURN(const Value key, Eval(expr.args[0]));
      return GetItem(runtime_, left, key);
    }
    case ExprKind::kSlice:
      return ApplySlice(expr, left);
    case ExprKind::kCall: {
      GANTRY_ASSIGN_OR_RETURN(Args args, EvalArgs(expr));
      return Call(left, std::move(args));
    }
    case ExprKind::kFilter:
    case ExprKind::kTest:
      return ApplyBuiltin(expr, left);
    case ExprKind::kNot:
      return Value(!IsTrue(left));
    case ExprKind::kNegate:
      return Negate(left);
    case ExprKind::kPlus:
      if (left.IsInteger()) return Value(left.integer());
      if (left.IsNumber()) return left;
      return Negate(left);  // for its error
    case ExprKind::kBinary: {
      GANTRY_ASSIGN_OR_RETURN(const Value right, Eval(expr.args[0]));
      return BinaryOp(runtime_, expr.op, left, right);
    }
    case ExprKind::kCompare:
      return ApplyCompare(expr, left);
    case ExprKind::kAnd:
      return IsTrue(left) ? Eval(expr.args[0]) : left;
    case ExprKind::kOr:
      return IsTrue(left) ? left : Eval(expr.args[0]);
    case ExprKind::kConditional:
      if (IsTrue(left)) return Eval(expr.args[0]);
      if (expr.args[1] != nullptr) return Eval(expr.args[1]);
      return MakeUndefined("the condition of an inline if is false and it has no else");
    default:
      return absl::InternalError("an expression with a first operand it cannot have");
  }
}

absl::StatusOr<Value> Interpreter::EvalName(int symbol) {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    const auto it = scope->names.find(symbol);
    if (it != scope->names.end()) return it->second;
  }
  const std::string& name = ast_.symbols[symbol];
  const Builtin* function = FindFunction(name);
  if (function == nullptr) return MakeUndefined(absl::StrCat("'", name, "' is undefined"));
  Callable callable;
  callable.builtin = function;
  return runtime_.NewCallable(std::move(callable));
}

absl::StatusOr<std::vector<Value>> Interpreter::EvalAll(const std::vector<Expr*>& exprs) {
  std::vector<Value> values;
  values.reserve(exprs.size());
  for (const Expr* expr : exprs) {
    GANTRY_ASSIGN_OR_RETURN(Value value, Eval(expr));
    values.push_back(std::move(value));
  }
  return values;
}

absl::StatusOr<Value> Interpreter::EvalConcat(const Expr& expr) {
  TextBuilder out;
  for (const Expr* part : expr.args) {
    GANTRY_ASSIGN_OR_RETURN(const Value value, Eval(part));
    GANTRY_ASSIGN_OR_RETURN(const TextPtr text, ToText(runtime_, value));
    GANTRY_RETURN_IF_ERROR(runtime_.SpendBytes(text->bytes.size()));
    out.Append(*text);
  }
  return Value(out.Build());
}

absl::StatusOr<Value> Interpreter::EvalDict(const Expr& expr) {
  GANTRY_ASSIGN_OR_RETURN(std::vector<Value> flat, EvalAll(expr.args));
  std::vector<std::pair<Value, Value>> entries;
  for (size_t i = 0; i < flat.size(); i += 2) {
    entries.emplace_back(std::move(flat[i]), std::move(flat[i + 1]));
  }
  return runtime_.NewDict(std::move(entries));
}

absl::StatusOr<Value> Interpreter::ApplySlice(const Expr& expr, const Value& left) {
  Value bounds[3];
  const Value* given[3] = {nullptr, nullptr, nullptr};
  for (int i = 0; i < 3; ++i) {
    if (expr.args[i] == nullptr) continue;
    GANTRY_ASSIGN_OR_RETURN(bounds[i], Eval(expr.args[i]));
    given[i] = &bounds[i];
  }
  return GetSlice(runtime_, left, given[0], given[1], given[2]);
}

absl::StatusOr<Value> Interpreter::ApplyCompare(const Expr& expr, Value left) {
  for (size_t i = 0; i < expr.ops.size(); ++i) {
    GANTRY_ASSIGN_OR_RETURN(Value right, Eval(expr.args[i]));
    GANTRY_ASSIGN_OR_RETURN(const bool holds, Compare(runtime_, expr.ops[i], left, right));
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

absl::StatusOr<Value> Interpreter::ApplyBuiltin(const Expr& expr, const Value& left) {
  if (expr.builtin == nullptr) {
    const absl::string_view what = expr.kind == ExprKind::kFilter ? "filter" : "test";
    return absl::InvalidArgumentError(
        absl::StrCat("there is no ", what, " named '", expr.name, "'"));
  }
  GANTRY_ASSIGN_OR_RETURN(const Args args, EvalArgs(expr));
  return expr.builtin->function(runtime_, left, args);
}

absl::StatusOr<Args> Interpreter::EvalArgs(const Expr& call) {
  Args args;
  GANTRY_ASSIGN_OR_RETURN(args.positional, EvalAll(call.args));
  for (const auto& [name, expr] : call.named) {
    GANTRY_ASSIGN_OR_RETURN(Value value, Eval(expr));
    args.named.emplace_back(name, std::move(value));
  }
  if (call.star != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(const Value more, Eval(call.star));
    GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime_, more));
    args.positional.insert(args.positional.end(), items.begin(), items.end());
  }
  if (call.double_star != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(const Value more, Eval(call.double_star));
    if (!more.Holds<const Dict*>()) return absl::InvalidArgumentError("** needs a dict");
    for (const auto& [key, value] : more.As<const Dict*>()->entries) {
      GANTRY_RETURN_IF_ERROR(runtime_.Spend(1));
      if (!key.IsString()) return absl::InvalidArgumentError("keywords must be strings");
      args.named.emplace_back(key.text()->bytes, value);
    }
  }
  return args;
}

absl::StatusOr<Value> Interpreter::Call(const Value& callee, Args args) {
  if (callee.IsUndefined()) return UndefinedError(callee);
  if (!callee.Holds<const Callable*>()) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", std::string(TypeName(callee)), "' object is not callable"));
  }
  const Callable& callable = *callee.As<const Callable*>();
  if (callable.macro != nullptr) return CallMacro(*callable.macro, callable.scope, std::move(args));
  return callable.builtin->function(runtime_, callable.self, args);
}

}  // namespace gantry::jinja
