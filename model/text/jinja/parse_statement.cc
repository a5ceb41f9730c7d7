#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/text/jinja/parser.h"

namespace gantry::jinja {
namespace {

// Whether an assignment to the target sets the symbol.
bool Names(const Expr& target, int symbol) {
  if (target.kind == ExprKind::kName) return target.symbol == symbol;
  return std::any_of(target.args.begin(), target.args.end(),
                     [symbol](const Expr* item) { return Names(*item, symbol); });
}

}  // namespace

absl::StatusOr<Block> Parser::ParseBlock(const std::vector<absl::string_view>& ends) {
  Level level(this);
  GANTRY_RETURN_IF_ERROR(CheckLimits());
  Block block;
  while (token_.kind != Token::Kind::kEnd) {
    if (token_.kind == Token::Kind::kData) {
      Stmt* stmt = NewStmt(StmtKind::kText);
      stmt->text = TrustedText(std::move(token_.text));
      block.push_back(stmt);
      GANTRY_RETURN_IF_ERROR(Advance());
    } else if (token_.kind == Token::Kind::kVariableBegin) {
      Stmt* stmt = NewStmt(StmtKind::kOutput);
      GANTRY_RETURN_IF_ERROR(Advance());
      GANTRY_ASSIGN_OR_RETURN(stmt->expr, ParseTuple());
      if (token_.kind != Token::Kind::kVariableEnd) return Unexpected("\"}}\"");
      GANTRY_RETURN_IF_ERROR(Advance());
      block.push_back(stmt);
    } else {
      GANTRY_RETURN_IF_ERROR(Advance());  // {%
      if (token_.kind != Token::Kind::kName) return Unexpected("the name of a tag");
      if (std::find(ends.begin(), ends.end(), token_.text) != ends.end()) return block;
      GANTRY_ASSIGN_OR_RETURN(Stmt* const stmt, ParseStatement());
      block.push_back(stmt);
    }
  }
  if (!ends.empty())
    return Unexpected(absl::StrCat("{% ", absl::StrJoin(ends, " %} or {% "), " %}"));
  return block;
}

absl::StatusOr<Block> Parser::ParseBodyAndEnd(absl::string_view end) {
  GANTRY_RETURN_IF_ERROR(ExpectBlockEnd());
  GANTRY_ASSIGN_OR_RETURN(Block body, ParseBlock({end}));
  GANTRY_RETURN_IF_ERROR(Advance());
  GANTRY_RETURN_IF_ERROR(ExpectBlockEnd());
  return body;
}

absl::StatusOr<Stmt*> Parser::ParseStatement() {
  const std::string tag = token_.text;
  if (tag == "for") return ParseFor();
  if (tag == "if") return ParseIf();
  if (tag == "set") return ParseSet();
  if (tag == "macro") return ParseMacro();
  if (tag == "call") return ParseCallBlock();
  if (tag == "filter") return ParseFilterBlock();
  if (tag == "with") return ParseWith();
  if (tag == "generation") return ParseGeneration();
  if (tag == "break") return ParseLoopControl(StmtKind::kBreak);
  if (tag == "continue") return ParseLoopControl(StmtKind::kContinue);
  return Fail(absl::StrCat("unknown tag \"", tag.substr(0, 40), "\""));
}

absl::StatusOr<Stmt*> Parser::ParseFor() {
  Stmt* stmt = NewStmt(StmtKind::kFor);
  GANTRY_RETURN_IF_ERROR(Advance());
  GANTRY_ASSIGN_OR_RETURN(stmt->target, ParseTarget(TargetKind::kNames));
  if (Names(*stmt->target, ast_->Symbol("loop"))) return Fail("cannot assign to \"loop\" in a for");
  GANTRY_RETURN_IF_ERROR(ExpectName("in"));
  GANTRY_ASSIGN_OR_RETURN(stmt->expr, ParseTuple(/*with_condition=*/false));
  GANTRY_ASSIGN_OR_RETURN(const bool filtered, TakeName("if"));
  if (filtered) {
    GANTRY_ASSIGN_OR_RETURN(stmt->condition, ParseExpression());
  }
  if (AtName("recursive")) return Fail("recursive loops are not supported");
  GANTRY_RETURN_IF_ERROR(ExpectBlockEnd());
  ++loops_;
  GANTRY_ASSIGN_OR_RETURN(stmt->body, ParseBlock({"endfor", "else"}));
  --loops_;
  const bool has_else = AtName("else");
  GANTRY_RETURN_IF_ERROR(Advance());
  if (has_else) {
    GANTRY_ASSIGN_OR_RETURN(stmt->other, ParseBodyAndEnd("endfor"));
    return stmt;
  }
  GANTRY_RETURN_IF_ERROR(ExpectBlockEnd());
  return stmt;
}

absl::StatusOr<Stmt*> Parser::ParseIf() {
  Stmt* stmt = NewStmt(StmtKind::kIf);
  while (true) {
    GANTRY_RETURN_IF_ERROR(Advance());  // if, elif
    GANTRY_ASSIGN_OR_RETURN(Expr* const condition, ParseTuple(/*with_condition=*/false));
    GANTRY_RETURN_IF_ERROR(ExpectBlockEnd());
    GANTRY_ASSIGN_OR_RETURN(Block body, ParseBlock({"elif", "else", "endif"}));
    stmt->branches.emplace_back(condition, std::move(body));
    if (!AtName("elif")) break;
  }
  const bool has_else = AtName("else");
  GANTRY_RETURN_IF_ERROR(Advance());
  if (has_else) {
    GANTRY_ASSIGN_OR_RETURN(stmt->other, ParseBodyAndEnd("endif"));
    return stmt;
  }
  GANTRY_RETURN_IF_ERROR(ExpectBlockEnd());
  return stmt;
}

absl::StatusOr<Stmt*> Parser::ParseSet() {
  Stmt* stmt = NewStmt(StmtKind::kSet);
  GANTRY_RETURN_IF_ERROR(Advance());
  GANTRY_ASSIGN_OR_RETURN(stmt->target, ParseTarget(TargetKind::kNamesOrAttribute));
  GANTRY_ASSIGN_OR_RETURN(const bool assigns, TakeOperator("="));
  if (assigns) {
    GANTRY_ASSIGN_OR_RETURN(stmt->expr, ParseTuple());
    GANTRY_RETURN_IF_ERROR(ExpectBlockEnd());
    return stmt;
  }
  stmt->kind = StmtKind::kSetBlock;
  Expr* filter = NewExpr(ExprKind::kBlockInput);
  while (AtOperator("|")) {
    GANTRY_ASSIGN_OR_RETURN(filter, ParseFilter(filter));
  }
  if (filter->left != nullptr) stmt->expr = filter;
  GANTRY_ASSIGN_OR_RETURN(stmt->body, ParseBodyAndEnd("endset"));
  return stmt;
}

absl::Status Parser::ParseSignature(Macro* macro) {
  GANTRY_RETURN_IF_ERROR(ExpectOperator("("));
  while (!AtOperator(")")) {
    if (!macro->parameters.empty()) GANTRY_RETURN_IF_ERROR(ExpectOperator(","));
    GANTRY_ASSIGN_OR_RETURN(const std::string name, ExpectAnyName());
    macro->parameters.push_back(ast_->Symbol(name));
    macro->parameter_names.push_back(name);
    GANTRY_ASSIGN_OR_RETURN(const bool has_default, TakeOperator("="));
    if (has_default) {
      GANTRY_ASSIGN_OR_RETURN(Expr* const value, ParseExpression());
      macro->defaults.push_back(value);
    } else if (!macro->defaults.empty()) {
      return Fail("a parameter without a default follows one with a default");
    }
  }
  return Advance();
}

absl::StatusOr<Block> Parser::ParseMacroBody(Macro* macro, absl::string_view end) {
  const int loops = std::exchange(loops_, 0);
  macros_.push_back(macro);
  GANTRY_ASSIGN_OR_RETURN(Block body, ParseBodyAndEnd(end));
  macros_.pop_back();
  loops_ = loops;
  return body;
}

absl::StatusOr<Stmt*> Parser::ParseMacro() {
  Stmt* stmt = NewStmt(StmtKind::kMacro);
  stmt->macro = &ast_->macros.emplace_back();
  GANTRY_RETURN_IF_ERROR(Advance());
  GANTRY_ASSIGN_OR_RETURN(stmt->macro->name, ExpectAnyName());
  stmt->target = NewExpr(ExprKind::kName);
  stmt->target->symbol = ast_->Symbol(stmt->macro->name);
  GANTRY_RETURN_IF_ERROR(ParseSignature(stmt->macro));
  GANTRY_ASSIGN_OR_RETURN(stmt->macro->body, ParseMacroBody(stmt->macro, "endmacro"));
  return stmt;
}

absl::StatusOr<Stmt*> Parser::ParseCallBlock() {
  Stmt* stmt = NewStmt(StmtKind::kCallBlock);
  stmt->macro = &ast_->macros.emplace_back();
  stmt->macro->name = "caller";
  GANTRY_RETURN_IF_ERROR(Advance());
  if (AtOperator("(")) GANTRY_RETURN_IF_ERROR(ParseSignature(stmt->macro));
  GANTRY_ASSIGN_OR_RETURN(stmt->expr, ParseExpression());
  if (stmt->expr->kind != ExprKind::kCall) return Fail("a call block needs a call");
  GANTRY_ASSIGN_OR_RETURN(stmt->macro->body, ParseMacroBody(stmt->macro, "endcall"));
  return stmt;
}

absl::StatusOr<Stmt*> Parser::ParseFilterBlock() {
  Stmt* stmt = NewStmt(StmtKind::kFilterBlock);
  GANTRY_ASSIGN_OR_RETURN(stmt->expr, ParseFilter(NewExpr(ExprKind::kBlockInput)));
  while (AtOperator("|")) {
    GANTRY_ASSIGN_OR_RETURN(stmt->expr, ParseFilter(stmt->expr));
  }
  GANTRY_ASSIGN_OR_RETURN(stmt->body, ParseBodyAndEnd("endfilter"));
  return stmt;
}

absl::StatusOr<Stmt*> Parser::ParseWith() {
  Stmt* stmt = NewStmt(StmtKind::kWith);
  GANTRY_RETURN_IF_ERROR(Advance());
  while (token_.kind != Token::Kind::kBlockEnd) {
    if (!stmt->bindings.empty()) GANTRY_RETURN_IF_ERROR(ExpectOperator(","));
    GANTRY_ASSIGN_OR_RETURN(Expr* const target, ParseTargetItem(TargetKind::kNames));
    GANTRY_RETURN_IF_ERROR(ExpectOperator("="));
    GANTRY_ASSIGN_OR_RETURN(Expr* const value, ParseExpression());
    stmt->bindings.emplace_back(target, value);
  }
  GANTRY_ASSIGN_OR_RETURN(stmt->body, ParseBodyAndEnd("endwith"));
  return stmt;
}

absl::StatusOr<Stmt*> Parser::ParseGeneration() {
  Stmt* stmt = NewStmt(StmtKind::kScope);
  GANTRY_RETURN_IF_ERROR(Advance());
  GANTRY_ASSIGN_OR_RETURN(stmt->body, ParseBodyAndEnd("endgeneration"));
  return stmt;
}

absl::StatusOr<Stmt*> Parser::ParseLoopControl(StmtKind kind) {
  if (loops_ == 0) return Fail(absl::StrCat("\"", token_.text, "\" outside of a loop"));
  Stmt* stmt = NewStmt(kind);
  GANTRY_RETURN_IF_ERROR(Advance());
  GANTRY_RETURN_IF_ERROR(ExpectBlockEnd());
  return stmt;
}

absl::StatusOr<Expr*> Parser::ParseTargetItem(TargetKind kind) {
  Level level(this);
  GANTRY_RETURN_IF_ERROR(CheckLimits());
  GANTRY_ASSIGN_OR_RETURN(const bool nested, TakeOperator("("));
  if (nested) {
    GANTRY_ASSIGN_OR_RETURN(Expr* const inner, ParseTarget(TargetKind::kNames));
    GANTRY_RETURN_IF_ERROR(ExpectOperator(")"));
    return inner;
  }
  for (absl::string_view constant : {"true", "True", "false", "False", "none", "None"}) {
    if (AtName(constant)) return Fail(absl::StrCat("cannot assign to \"", constant, "\""));
  }
  Expr* target = NewExpr(ExprKind::kName);
  GANTRY_ASSIGN_OR_RETURN(const std::string name, ExpectAnyName());
  target->symbol = ast_->Symbol(name);
  if (kind == TargetKind::kNamesOrAttribute && AtOperator(".")) {
    GANTRY_RETURN_IF_ERROR(Advance());
    target->kind = ExprKind::kNamespaceRef;
    GANTRY_ASSIGN_OR_RETURN(target->name, ExpectAnyName());
  }
  return target;
}

absl::StatusOr<Expr*> Parser::ParseTarget(TargetKind kind) {
  GANTRY_ASSIGN_OR_RETURN(Expr* const first, ParseTargetItem(kind));
  if (!AtOperator(",")) return first;
  Expr* tuple = NewExpr(ExprKind::kTuple);
  tuple->args.push_back(first);
  while (AtOperator(",")) {
    GANTRY_RETURN_IF_ERROR(Advance());
    if (token_.kind != Token::Kind::kName && !AtOperator("(")) break;
    if (AtName("in")) break;
    GANTRY_ASSIGN_OR_RETURN(Expr* const item, ParseTargetItem(kind));
    tuple->args.push_back(item);
  }
  return tuple;
}

}  // namespace gantry::jinja
