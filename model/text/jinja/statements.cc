#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/operators.h"
#include "model/text/jinja/print.h"

namespace gantry::jinja {
namespace {

// Which symbol `loop` is, without adding it to a parsed template.
int FindSymbol(const Ast& ast, const std::string& name) {
  const auto it = ast.symbol_ids.find(name);
  return it == ast.symbol_ids.end() ? -1 : it->second;
}

}  // namespace

absl::Status Interpreter::Level::Check() const {
  if (interpreter_->depth_ <= interpreter_->runtime_.limits().depth) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the chat template nests deeper than ", interpreter_->runtime_.limits().depth, " levels"));
}

void Interpreter::SetVariable(const std::string& name, Value value) {
  const int symbol = FindSymbol(ast_, name);
  if (symbol >= 0) scope_->names.insert_or_assign(symbol, std::move(value));
}

absl::StatusOr<MarkedText> Interpreter::Run() {
  TextBuilder out;
  out_ = &out;
  // Names that the template sets hide the caller's variables and do not change them.
  scope_ = runtime_.NewScope(scope_);
  GANTRY_RETURN_IF_ERROR(Run(ast_.body).status());
  return out.BuildMarked();
}

absl::StatusOr<Interpreter::Flow> Interpreter::Run(const Block& block) {
  Level level(this);
  GANTRY_RETURN_IF_ERROR(level.Check());
  for (const Stmt* stmt : block) {
    GANTRY_RETURN_IF_ERROR(runtime_.Spend(1));
    line_ = stmt->line;
    GANTRY_ASSIGN_OR_RETURN(const Flow flow, RunStmt(*stmt));
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

absl::StatusOr<Interpreter::Flow> Interpreter::RunStmt(const Stmt& stmt) {
  switch (stmt.kind) {
    case StmtKind::kText:
      GANTRY_RETURN_IF_ERROR(WriteText(*stmt.text));
      break;
    case StmtKind::kOutput: {
      GANTRY_ASSIGN_OR_RETURN(const Value value, Eval(stmt.expr));
      GANTRY_RETURN_IF_ERROR(Write(value));
      break;
    }
    case StmtKind::kFor:
      return RunFor(stmt);
    case StmtKind::kIf:
      return RunIf(stmt);
    case StmtKind::kSet: {
      GANTRY_ASSIGN_OR_RETURN(const Value value, Eval(stmt.expr));
      GANTRY_RETURN_IF_ERROR(Assign(*stmt.target, value));
      break;
    }
    case StmtKind::kSetBlock:
      return RunSetBlock(stmt);
    case StmtKind::kMacro:
      GANTRY_RETURN_IF_ERROR(Assign(*stmt.target, MakeMacro(stmt.macro)));
      break;
    case StmtKind::kCallBlock:
      GANTRY_RETURN_IF_ERROR(RunCallBlock(stmt));
      break;
    case StmtKind::kFilterBlock:
      return RunFilterBlock(stmt);
    case StmtKind::kWith:
      return RunWith(stmt);
    case StmtKind::kScope:
      return RunScoped(stmt.body);
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNormal;
}

absl::Status Interpreter::Write(const Value& value) {
  GANTRY_ASSIGN_OR_RETURN(const TextPtr text, ToText(runtime_, value));
  return WriteText(*text);
}

absl::Status Interpreter::WriteText(const Text& text) {
  if (out_->size() + text.bytes.size() > runtime_.limits().output_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the chat template writes more than ",
                                                     runtime_.limits().output_bytes, " bytes"));
  }
  GANTRY_RETURN_IF_ERROR(runtime_.SpendBytes(text.bytes.size()));
  out_->Append(text);
  return absl::OkStatus();
}

absl::StatusOr<Interpreter::Flow> Interpreter::RunScoped(const Block& block) {
  Scope* const outer = scope_;
  scope_ = runtime_.NewScope(outer);
  absl::Cleanup restore = [&] { scope_ = outer; };
  return Run(block);
}

absl::StatusOr<Interpreter::Flow> Interpreter::RunIf(const Stmt& stmt) {
  for (const auto& [condition, body] : stmt.branches) {
    GANTRY_ASSIGN_OR_RETURN(const Value value, Eval(condition));
    if (IsTrue(value)) return Run(body);
  }
  return Run(stmt.other);
}

absl::StatusOr<std::vector<Value>> Interpreter::LoopItems(const Stmt& stmt) {
  GANTRY_ASSIGN_OR_RETURN(const Value iterable, Eval(stmt.expr));
  GANTRY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime_, iterable));
  if (stmt.condition == nullptr) return items;
  Scope* const outer = scope_;
  absl::Cleanup restore = [&] { scope_ = outer; };
  scope_ = runtime_.NewScope(outer);
  std::vector<Value> chosen;
  for (Value& item : items) {
    GANTRY_RETURN_IF_ERROR(Assign(*stmt.target, item));
    GANTRY_ASSIGN_OR_RETURN(const Value keep, Eval(stmt.condition));
    if (IsTrue(keep)) chosen.push_back(std::move(item));
  }
  return chosen;
}

absl::StatusOr<Interpreter::Flow> Interpreter::RunFor(const Stmt& stmt) {
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> items, LoopItems(stmt));
  if (items.empty()) return RunScoped(stmt.other);
  const int loop_symbol = FindSymbol(ast_, "loop");
  Loop* loop = runtime_.NewLoop();
  loop->items = &items;
  Scope* const outer = scope_;
  scope_ = runtime_.NewScope(outer);
  static const std::vector<Value>* const kNoItems = new std::vector<Value>;
  absl::Cleanup restore = [&] {
    scope_ = outer;
    loop->items = kNoItems;  // a template may have kept `loop`
  };
  // As in Jinja2, the else is for loops none of whose rounds ran to its end.
  bool finished_one = false;
  for (size_t i = 0; i < items.size(); ++i) {
    GANTRY_RETURN_IF_ERROR(runtime_.Spend(1));
    if (scope_->captured) {
      scope_ = runtime_.NewScope(outer);
    } else {
      scope_->names.clear();
    }
    loop->index0 = i;
    if (loop_symbol >= 0) scope_->names.insert_or_assign(loop_symbol, Value(loop));
    GANTRY_RETURN_IF_ERROR(Assign(*stmt.target, items[i]));
    GANTRY_ASSIGN_OR_RETURN(const Flow flow, Run(stmt.body));
    finished_one |= flow == Flow::kNormal;
    if (flow == Flow::kBreak) break;
  }
  if (finished_one) return Flow::kNormal;
  std::move(restore).Invoke();
  return RunScoped(stmt.other);
}

absl::StatusOr<Interpreter::Flow> Interpreter::RunWith(const Stmt& stmt) {
  std::vector<Value> values;
  for (const auto& binding : stmt.bindings) {
    GANTRY_ASSIGN_OR_RETURN(Value value, Eval(binding.second));
    values.push_back(std::move(value));
  }
  Scope* const outer = scope_;
  scope_ = runtime_.NewScope(outer);
  absl::Cleanup restore = [&] { scope_ = outer; };
  for (size_t i = 0; i < values.size(); ++i) {
    GANTRY_RETURN_IF_ERROR(Assign(*stmt.bindings[i].first, values[i]));
  }
  return Run(stmt.body);
}

absl::StatusOr<Interpreter::Flow> Interpreter::Capture(const Block& block, TextPtr* captured) {
  TextBuilder out;
  TextBuilder* const outer = std::exchange(out_, &out);
  absl::Cleanup restore = [&] { out_ = outer; };
  GANTRY_ASSIGN_OR_RETURN(const Flow flow, RunScoped(block));
  *captured = out.Build();
  return flow;
}

absl::StatusOr<Interpreter::Flow> Interpreter::RunSetBlock(const Stmt& stmt) {
  TextPtr captured;
  GANTRY_ASSIGN_OR_RETURN(const Flow flow, Capture(stmt.body, &captured));
  if (flow != Flow::kNormal) return flow;
  Value value(captured);
  if (stmt.expr != nullptr) {
    block_input_ = captured;
    GANTRY_ASSIGN_OR_RETURN(value, Eval(stmt.expr));
  }
  GANTRY_RETURN_IF_ERROR(Assign(*stmt.target, value));
  return Flow::kNormal;
}

absl::StatusOr<Interpreter::Flow> Interpreter::RunFilterBlock(const Stmt& stmt) {
  TextPtr captured;
  GANTRY_ASSIGN_OR_RETURN(const Flow flow, Capture(stmt.body, &captured));
  if (flow != Flow::kNormal) return flow;
  block_input_ = captured;
  GANTRY_ASSIGN_OR_RETURN(const Value value, Eval(stmt.expr));
  GANTRY_RETURN_IF_ERROR(Write(value));
  return Flow::kNormal;
}

absl::Status Interpreter::RunCallBlock(const Stmt& stmt) {
  GANTRY_ASSIGN_OR_RETURN(const Value callee, Eval(stmt.expr->left));
  GANTRY_ASSIGN_OR_RETURN(Args args, EvalArgs(*stmt.expr));
  args.named.emplace_back("caller", MakeMacro(stmt.macro));
  GANTRY_ASSIGN_OR_RETURN(const Value value, Call(callee, std::move(args)));
  return Write(value);
}

absl::Status Interpreter::Assign(const Expr& target, const Value& value) {
  if (target.kind == ExprKind::kName) {
    scope_->names.insert_or_assign(target.symbol, value);
    return absl::OkStatus();
  }
  if (target.kind == ExprKind::kNamespaceRef) {
    GANTRY_ASSIGN_OR_RETURN(const Value object, EvalName(target.symbol));
    if (!object.Holds<Namespace*>()) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot assign attribute \"", target.name, "\" on a value of type ",
                       std::string(TypeName(object)), ": it is no namespace()"));
    }
    object.As<Namespace*>()->attributes.insert_or_assign(target.name, value);
    return absl::OkStatus();
  }
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime_, value));
  if (items.size() != target.args.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected ", target.args.size(), " values to unpack, found ", items.size()));
  }
  for (size_t i = 0; i < items.size(); ++i) {
    GANTRY_RETURN_IF_ERROR(Assign(*target.args[i], items[i]));
  }
  return absl::OkStatus();
}

}  // namespace gantry::jinja
