#ifndef GANTRY_MODEL_TEXT_JINJA_PARSER_H_
#define GANTRY_MODEL_TEXT_JINJA_PARSER_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/text/jinja/ast.h"
#include "model/text/jinja/lexer.h"

namespace gantry::jinja {

struct ParseLimits {
  size_t source_bytes = 1 << 20;
  size_t nodes = 100'000;
  // Of brackets, unary operators and blocks within each other.
  int depth = 100;
};

// Recursive descent over the grammar of Jinja2. Methods of statements are in parse_statement.cc,
// those of expressions in parse_expression.cc.
class Parser {
 public:
  Parser(absl::string_view source, const ParseLimits& limits, Ast* ast)
      : lexer_(source), limits_(limits), ast_(ast) {}
  // INVALID_ARGUMENT with line and column; RESOURCE_EXHAUSTED beyond the limits.
  absl::Status ParseTemplate();

 private:
  // Counts one more level of recursion for its lifetime.
  class Level {
   public:
    explicit Level(Parser* parser) : parser_(parser) { ++parser_->depth_; }
    ~Level() { --parser_->depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Parser* parser_;
  };
  absl::Status CheckLimits();

  absl::Status Advance();
  absl::StatusOr<const Token*> Peek();
  bool AtName(absl::string_view name) const { return token_.IsName(name); }
  bool AtOperator(absl::string_view op) const { return token_.IsOperator(op); }
  // Takes the token if it is the one asked for.
  absl::StatusOr<bool> TakeName(absl::string_view name);
  absl::StatusOr<bool> TakeOperator(absl::string_view op);
  absl::Status ExpectOperator(absl::string_view op);
  absl::Status ExpectName(absl::string_view name);
  absl::Status ExpectBlockEnd();
  absl::StatusOr<std::string> ExpectAnyName();
  absl::Status Unexpected(absl::string_view expected) const;
  absl::Status Fail(absl::string_view message) const;

  // Statements until a tag that begins with one of `ends`, which is left as the current token.
  absl::StatusOr<Block> ParseBlock(const std::vector<absl::string_view>& ends);
  absl::StatusOr<Stmt*> ParseStatement();
  absl::StatusOr<Stmt*> ParseFor();
  absl::StatusOr<Stmt*> ParseIf();
  absl::StatusOr<Stmt*> ParseSet();
  absl::StatusOr<Stmt*> ParseMacro();
  absl::StatusOr<Stmt*> ParseCallBlock();
  absl::StatusOr<Stmt*> ParseFilterBlock();
  absl::StatusOr<Stmt*> ParseWith();
  absl::StatusOr<Stmt*> ParseGeneration();
  absl::StatusOr<Stmt*> ParseLoopControl(StmtKind kind);
  absl::Status ParseSignature(Macro* macro);
  absl::StatusOr<Block> ParseMacroBody(Macro* macro, absl::string_view end);
  // "{% END %}" after a body.
  absl::StatusOr<Block> ParseBodyAndEnd(absl::string_view end);

  enum class TargetKind { kNames, kNamesOrAttribute };
  absl::StatusOr<Expr*> ParseTarget(TargetKind kind);
  absl::StatusOr<Expr*> ParseTargetItem(TargetKind kind);

  absl::StatusOr<Expr*> ParseExpression(bool with_condition = true);
  // One expression, or a tuple without parentheses.
  absl::StatusOr<Expr*> ParseTuple(bool with_condition = true);
  bool AtTupleEnd() const;
  absl::StatusOr<Expr*> ParseBinary(int level);
  absl::StatusOr<Expr*> ParseOperator(Expr* left, int level);
  absl::StatusOr<Expr*> ParseNot();
  absl::StatusOr<Expr*> ParseCompare();
  absl::StatusOr<std::optional<CompareOp>> TakeCompareOp();
  absl::StatusOr<Expr*> ParseConcat();
  absl::StatusOr<Expr*> ParseUnary(bool with_filter);
  absl::StatusOr<Expr*> ParsePrimary();
  absl::StatusOr<Expr*> ParseName();
  absl::StatusOr<Expr*> ParseString();
  absl::StatusOr<Expr*> ParseParenthesis();
  absl::StatusOr<Expr*> ParseListDisplay();
  absl::StatusOr<Expr*> ParseDictDisplay();
  absl::StatusOr<Expr*> ParsePostfix(Expr* node);
  absl::StatusOr<Expr*> ParseAttribute(Expr* node);
  absl::StatusOr<Expr*> ParseSubscript(Expr* node);
  absl::Status ParseCallArguments(Expr* call);
  // Filters, tests and calls behind `node`.
  absl::StatusOr<Expr*> ParseFilters(Expr* node);
  absl::StatusOr<Expr*> ParseFilter(Expr* node);
  absl::StatusOr<Expr*> ParseTest(Expr* node);

  Expr* NewExpr(ExprKind kind, Expr* left = nullptr);
  Expr* NewLiteral(Value value);
  Stmt* NewStmt(StmtKind kind);

  Lexer lexer_;
  ParseLimits limits_;
  Ast* ast_;
  Token token_;
  std::optional<Token> next_;
  int depth_ = 0;
  int loops_ = 0;
  std::vector<Macro*> macros_;  // whose bodies are being parsed
};

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_PARSER_H_
