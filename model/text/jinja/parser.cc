#include "model/text/jinja/parser.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace gantry::jinja {

absl::Status Parser::ParseTemplate() {
  GANTRY_RETURN_IF_ERROR(Advance());
  GANTRY_ASSIGN_OR_RETURN(ast_->body, ParseBlock({}));
  return absl::OkStatus();
}

absl::Status Parser::CheckLimits() {
  if (depth_ > limits_.depth) {
    return absl::ResourceExhaustedError(absl::StrCat("line ", token_.line, ", column ",
                                                     token_.column, ": nested deeper than ",
                                                     limits_.depth, " levels"));
  }
  if (ast_->exprs.size() + ast_->stmts.size() > limits_.nodes) {
    return absl::ResourceExhaustedError(absl::StrCat("line ", token_.line, ", column ",
                                                     token_.column, ": more than ", limits_.nodes,
                                                     " expressions and statements"));
  }
  return absl::OkStatus();
}

absl::Status Parser::Advance() {
  GANTRY_RETURN_IF_ERROR(CheckLimits());
  if (next_) {
    token_ = *std::move(next_);
    next_.reset();
    return absl::OkStatus();
  }
  GANTRY_ASSIGN_OR_RETURN(token_, lexer_.Next());
  return absl::OkStatus();
}

absl::StatusOr<const Token*> Parser::Peek() {
  if (!next_) {
    GANTRY_ASSIGN_OR_RETURN(next_, lexer_.Next());
  }
  return &*next_;
}

absl::StatusOr<bool> Parser::TakeName(absl::string_view name) {
  if (!AtName(name)) return false;
  GANTRY_RETURN_IF_ERROR(Advance());
  return true;
}

absl::StatusOr<bool> Parser::TakeOperator(absl::string_view op) {
  if (!AtOperator(op)) return false;
  GANTRY_RETURN_IF_ERROR(Advance());
  return true;
}

absl::Status Parser::ExpectOperator(absl::string_view op) {
  if (!AtOperator(op)) return Unexpected(absl::StrCat("\"", op, "\""));
  return Advance();
}

absl::Status Parser::ExpectName(absl::string_view name) {
  if (!AtName(name)) return Unexpected(absl::StrCat("\"", name, "\""));
  return Advance();
}

absl::Status Parser::ExpectBlockEnd() {
  if (token_.kind != Token::Kind::kBlockEnd) return Unexpected("\"%}\"");
  return Advance();
}

absl::StatusOr<std::string> Parser::ExpectAnyName() {
  if (token_.kind != Token::Kind::kName) return Unexpected("a name");
  std::string name = token_.text;
  GANTRY_RETURN_IF_ERROR(Advance());
  return name;
}

absl::Status Parser::Unexpected(absl::string_view expected) const {
  std::string found = token_.text;
  switch (token_.kind) {
    case Token::Kind::kEnd:
      found = "the end of the template";
      break;
    case Token::Kind::kData:
      found = "text";
      break;
    case Token::Kind::kString:
      found = "a string";
      break;
    default:
      found = absl::StrCat("\"", found.substr(0, 40), "\"");
  }
  return Fail(absl::StrCat("expected ", expected, ", found ", ReplaceInvalidUtf8(found)));
}

absl::Status Parser::Fail(absl::string_view message) const {
  return SyntaxError(message, token_.line, token_.column);
}

Expr* Parser::NewExpr(ExprKind kind, Expr* left) {
  Expr& expr = ast_->exprs.emplace_back();
  expr.kind = kind;
  expr.line = token_.line;
  expr.left = left;
  return &expr;
}

Expr* Parser::NewLiteral(Value value) {
  Expr* expr = NewExpr(ExprKind::kLiteral);
  expr->literal = std::move(value);
  return expr;
}

Stmt* Parser::NewStmt(StmtKind kind) {
  Stmt& stmt = ast_->stmts.emplace_back();
  stmt.kind = kind;
  stmt.line = token_.line;
  return &stmt;
}

}  // namespace gantry::jinja
