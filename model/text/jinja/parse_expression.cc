#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/jinja/builtin.h"
#include "model/text/jinja/parser.h"

namespace gantry::jinja {
namespace {

// Levels of ParseBinary, from the loosest.
enum Precedence { kOr, kAnd, kNot, kCompare, kSum, kConcat, kProduct, kPower, kUnary };

struct BinaryOperator {
  absl::string_view text;
  int level;
  Op op;
};
constexpr BinaryOperator kOperators[] = {
    {"+", kSum, Op::kAdd},     {"-", kSum, Op::kSub},           {"*", kProduct, Op::kMul},
    {"/", kProduct, Op::kDiv}, {"//", kProduct, Op::kFloorDiv}, {"%", kProduct, Op::kMod},
    {"**", kPower, Op::kPow},
};

}  // namespace

absl::StatusOr<Expr*> Parser::ParseExpression(bool with_condition) {
  Level level(this);
  GANTRY_RETURN_IF_ERROR(CheckLimits());
  GANTRY_ASSIGN_OR_RETURN(Expr * expr, ParseBinary(kOr));
  while (with_condition && AtName("if")) {
    GANTRY_RETURN_IF_ERROR(Advance());
    GANTRY_ASSIGN_OR_RETURN(Expr* const condition, ParseBinary(kOr));
    Expr* conditional = NewExpr(ExprKind::kConditional, condition);
    conditional->args = {expr, nullptr};
    GANTRY_ASSIGN_OR_RETURN(const bool has_else, TakeName("else"));
    if (has_else) {
      GANTRY_ASSIGN_OR_RETURN(conditional->args[1], ParseExpression());
    }
    expr = conditional;
  }
  return expr;
}

bool Parser::AtTupleEnd() const {
  return token_.kind == Token::Kind::kVariableEnd || token_.kind == Token::Kind::kBlockEnd ||
         AtOperator(")");
}

absl::StatusOr<Expr*> Parser::ParseTuple(bool with_condition) {
  GANTRY_ASSIGN_OR_RETURN(Expr* const first, ParseExpression(with_condition));
  if (!AtOperator(",")) return first;
  Expr* tuple = NewExpr(ExprKind::kTuple);
  tuple->args.push_back(first);
  while (AtOperator(",")) {
    GANTRY_RETURN_IF_ERROR(Advance());
    if (AtTupleEnd()) break;
    GANTRY_ASSIGN_OR_RETURN(Expr* const item, ParseExpression(with_condition));
    tuple->args.push_back(item);
  }
  return tuple;
}

absl::StatusOr<Expr*> Parser::ParseBinary(int level) {
  switch (level) {
    case kNot:
      return ParseNot();
    case kCompare:
      return ParseCompare();
    case kConcat:
      return ParseConcat();
    case kUnary:
      return ParseUnary(/*with_filter=*/true);
    default:
      break;
  }
  GANTRY_ASSIGN_OR_RETURN(Expr * left, ParseBinary(level + 1));
  while (true) {
    GANTRY_ASSIGN_OR_RETURN(Expr* const node, ParseOperator(left, level));
    if (node == nullptr) return left;
    left = node;
  }
}

// One operator of the level and its right operand; null when there is none.
absl::StatusOr<Expr*> Parser::ParseOperator(Expr* left, int level) {
  Expr* node = nullptr;
  if (level == kOr && AtName("or")) {
    node = NewExpr(ExprKind::kOr, left);
  } else if (level == kAnd && AtName("and")) {
    node = NewExpr(ExprKind::kAnd, left);
  } else {
    for (const BinaryOperator& candidate : kOperators) {
      if (candidate.level != level || !AtOperator(candidate.text)) continue;
      node = NewExpr(ExprKind::kBinary, left);
      node->op = candidate.op;
    }
  }
  if (node == nullptr) return nullptr;
  GANTRY_RETURN_IF_ERROR(Advance());
  GANTRY_ASSIGN_OR_RETURN(Expr* const right, ParseBinary(level + 1));
  node->args.push_back(right);
  return node;
}

absl::StatusOr<Expr*> Parser::ParseNot() {
  if (!AtName("not")) return ParseCompare();
  Level level(this);
  GANTRY_RETURN_IF_ERROR(Advance());
  GANTRY_ASSIGN_OR_RETURN(Expr* const operand, ParseNot());
  return NewExpr(ExprKind::kNot, operand);
}

absl::StatusOr<std::optional<CompareOp>> Parser::TakeCompareOp() {
  static constexpr std::pair<absl::string_view, CompareOp> kOps[] = {
      {"==", CompareOp::kEq}, {"!=", CompareOp::kNe}, {"<", CompareOp::kLt},
      {"<=", CompareOp::kLe}, {">", CompareOp::kGt},  {">=", CompareOp::kGe},
  };
  for (const auto& [text, op] : kOps) {
    if (!AtOperator(text)) continue;
    GANTRY_RETURN_IF_ERROR(Advance());
    return op;
  }
  GANTRY_ASSIGN_OR_RETURN(const bool in, TakeName("in"));
  if (in) return CompareOp::kIn;
  if (AtName("not")) {
    GANTRY_ASSIGN_OR_RETURN(const Token* const next, Peek());
    if (next->IsName("in")) {
      GANTRY_RETURN_IF_ERROR(Advance());
      GANTRY_RETURN_IF_ERROR(Advance());
      return CompareOp::kNotIn;
    }
  }
  return std::nullopt;
}

absl::StatusOr<Expr*> Parser::ParseCompare() {
  GANTRY_ASSIGN_OR_RETURN(Expr* const left, ParseBinary(kSum));
  Expr* node = nullptr;
  while (true) {
    GANTRY_ASSIGN_OR_RETURN(const std::optional<CompareOp> op, TakeCompareOp());
    if (!op) return node == nullptr ? left : node;
    if (node == nullptr) node = NewExpr(ExprKind::kCompare, left);
    GANTRY_ASSIGN_OR_RETURN(Expr* const right, ParseBinary(kSum));
    node->ops.push_back(*op);
    node->args.push_back(right);
  }
}

absl::StatusOr<Expr*> Parser::ParseConcat() {
  GANTRY_ASSIGN_OR_RETURN(Expr* const first, ParseBinary(kProduct));
  if (!AtOperator("~")) return first;
  Expr* node = NewExpr(ExprKind::kConcat);
  node->args.push_back(first);
  while (AtOperator("~")) {
    GANTRY_RETURN_IF_ERROR(Advance());
    GANTRY_ASSIGN_OR_RETURN(Expr* const next, ParseBinary(kProduct));
    node->args.push_back(next);
  }
  return node;
}

absl::StatusOr<Expr*> Parser::ParseUnary(bool with_filter) {
  Expr* node = nullptr;
  if (AtOperator("-") || AtOperator("+")) {
    Level level(this);
    const ExprKind kind = AtOperator("-") ? ExprKind::kNegate : ExprKind::kPlus;
    GANTRY_RETURN_IF_ERROR(Advance());
    GANTRY_ASSIGN_OR_RETURN(Expr* const operand, ParseUnary(/*with_filter=*/false));
    node = NewExpr(kind, operand);
  } else {
    GANTRY_ASSIGN_OR_RETURN(node, ParsePrimary());
  }
  GANTRY_ASSIGN_OR_RETURN(node, ParsePostfix(node));
  if (!with_filter) return node;
  return ParseFilters(node);
}

absl::StatusOr<Expr*> Parser::ParsePrimary() {
  Value literal;
  switch (token_.kind) {
    case Token::Kind::kName:
      return ParseName();
    case Token::Kind::kString:
      return ParseString();
    case Token::Kind::kInteger:
      literal = Value(token_.integer);
      break;
    case Token::Kind::kFloat:
      literal = Value(token_.number);
      break;
    default:
      if (AtOperator("(")) return ParseParenthesis();
      if (AtOperator("[")) return ParseListDisplay();
      if (AtOperator("{")) return ParseDictDisplay();
      return Unexpected("an expression");
  }
  Expr* node = NewLiteral(std::move(literal));
  GANTRY_RETURN_IF_ERROR(Advance());
  return node;
}

absl::StatusOr<Expr*> Parser::ParseName() {
  Expr* node = nullptr;
  if (AtName("true") || AtName("True")) {
    node = NewLiteral(Value(true));
  } else if (AtName("false") || AtName("False")) {
    node = NewLiteral(Value(false));
  } else if (AtName("none") || AtName("None")) {
    node = NewLiteral(Value(None{}));
  } else {
    node = NewExpr(ExprKind::kName);
    node->symbol = ast_->Symbol(token_.text);
    for (Macro* macro : macros_) {
      macro->uses_caller |= AtName("caller");
      macro->uses_varargs |= AtName("varargs");
      macro->uses_kwargs |= AtName("kwargs");
    }
  }
  GANTRY_RETURN_IF_ERROR(Advance());
  return node;
}

absl::StatusOr<Expr*> Parser::ParseString() {
  std::string joined;
  Expr* node = NewExpr(ExprKind::kLiteral);
  while (token_.kind == Token::Kind::kString) {
    joined += token_.text;
    GANTRY_RETURN_IF_ERROR(Advance());
  }
  node->literal = Value(TrustedText(std::move(joined)));
  return node;
}

absl::StatusOr<Expr*> Parser::ParseParenthesis() {
  GANTRY_RETURN_IF_ERROR(Advance());
  Expr* node = nullptr;
  if (AtOperator(")")) {
    node = NewExpr(ExprKind::kTuple);
  } else {
    GANTRY_ASSIGN_OR_RETURN(node, ParseTuple());
  }
  GANTRY_RETURN_IF_ERROR(ExpectOperator(")"));
  return node;
}

absl::StatusOr<Expr*> Parser::ParseListDisplay() {
  Expr* node = NewExpr(ExprKind::kList);
  GANTRY_RETURN_IF_ERROR(Advance());
  while (!AtOperator("]")) {
    if (!node->args.empty()) GANTRY_RETURN_IF_ERROR(ExpectOperator(","));
    if (AtOperator("]")) break;
    GANTRY_ASSIGN_OR_RETURN(Expr* const item, ParseExpression());
    node->args.push_back(item);
  }
  GANTRY_RETURN_IF_ERROR(Advance());
  return node;
}

absl::StatusOr<Expr*> Parser::ParseDictDisplay() {
  Expr* node = NewExpr(ExprKind::kDict);
  GANTRY_RETURN_IF_ERROR(Advance());
  while (!AtOperator("}")) {
    if (!node->args.empty()) GANTRY_RETURN_IF_ERROR(ExpectOperator(","));
    if (AtOperator("}")) break;
    GANTRY_ASSIGN_OR_RETURN(Expr* const key, ParseExpression());
    GANTRY_RETURN_IF_ERROR(ExpectOperator(":"));
    GANTRY_ASSIGN_OR_RETURN(Expr* const value, ParseExpression());
    node->args.push_back(key);
    node->args.push_back(value);
  }
  GANTRY_RETURN_IF_ERROR(Advance());
  return node;
}

absl::StatusOr<Expr*> Parser::ParsePostfix(Expr* node) {
  while (true) {
    if (AtOperator(".")) {
      GANTRY_ASSIGN_OR_RETURN(node, ParseAttribute(node));
    } else if (AtOperator("[")) {
      GANTRY_ASSIGN_OR_RETURN(node, ParseSubscript(node));
    } else if (AtOperator("(")) {
      node = NewExpr(ExprKind::kCall, node);
      GANTRY_RETURN_IF_ERROR(ParseCallArguments(node));
    } else {
      return node;
    }
  }
}

absl::StatusOr<Expr*> Parser::ParseAttribute(Expr* node) {
  GANTRY_RETURN_IF_ERROR(Advance());
  if (token_.kind == Token::Kind::kInteger) {
    Expr* item = NewExpr(ExprKind::kItem, node);
    item->args.push_back(NewLiteral(Value(token_.integer)));
    GANTRY_RETURN_IF_ERROR(Advance());
    return item;
  }
  Expr* attribute = NewExpr(ExprKind::kAttribute, node);
  GANTRY_ASSIGN_OR_RETURN(attribute->name, ExpectAnyName());
  return attribute;
}

absl::StatusOr<Expr*> Parser::ParseSubscript(Expr* node) {
  GANTRY_RETURN_IF_ERROR(Advance());
  Expr* parts[3] = {nullptr, nullptr, nullptr};
  int colons = 0;
  while (!AtOperator("]")) {
    if (AtOperator(":") && colons < 2) {
      ++colons;
      GANTRY_RETURN_IF_ERROR(Advance());
    } else if (parts[colons] == nullptr) {
      GANTRY_ASSIGN_OR_RETURN(parts[colons], ParseExpression());
    } else {
      return Unexpected("\"]\"");
    }
  }
  Expr* item = NewExpr(colons == 0 ? ExprKind::kItem : ExprKind::kSlice, node);
  if (colons == 0) {
    if (parts[0] == nullptr) return Unexpected("an index");
    item->args = {parts[0]};
  } else {
    item->args = {parts[0], parts[1], parts[2]};
  }
  GANTRY_RETURN_IF_ERROR(Advance());
  return item;
}

absl::Status Parser::ParseCallArguments(Expr* call) {
  GANTRY_RETURN_IF_ERROR(ExpectOperator("("));
  for (bool first = true; !AtOperator(")"); first = false) {
    if (!first) GANTRY_RETURN_IF_ERROR(ExpectOperator(","));
    if (AtOperator(")")) break;
    if (AtOperator("*") || AtOperator("**")) {
      Expr*& slot = AtOperator("*") ? call->star : call->double_star;
      if (slot != nullptr || call->double_star != nullptr) return Fail("a second starred argument");
      GANTRY_RETURN_IF_ERROR(Advance());
      GANTRY_ASSIGN_OR_RETURN(slot, ParseExpression());
      continue;
    }
    if (token_.kind == Token::Kind::kName) {
      GANTRY_ASSIGN_OR_RETURN(const Token* const next, Peek());
      if (next->IsOperator("=")) {
        const std::string name = token_.text;
        for (const auto& named : call->named) {
          if (named.first == name)
            return Fail(absl::StrCat("argument \"", name, "\" is given twice"));
        }
        GANTRY_RETURN_IF_ERROR(Advance());
        GANTRY_RETURN_IF_ERROR(Advance());
        GANTRY_ASSIGN_OR_RETURN(Expr* const value, ParseExpression());
        call->named.emplace_back(name, value);
        continue;
      }
    }
    if (!call->named.empty() || call->star != nullptr || call->double_star != nullptr) {
      return Fail("a positional argument follows named ones");
    }
    GANTRY_ASSIGN_OR_RETURN(Expr* const value, ParseExpression());
    call->args.push_back(value);
  }
  return Advance();
}

absl::StatusOr<Expr*> Parser::ParseFilters(Expr* node) {
  while (true) {
    if (AtOperator("|")) {
      GANTRY_ASSIGN_OR_RETURN(node, ParseFilter(node));
    } else if (AtName("is")) {
      GANTRY_ASSIGN_OR_RETURN(node, ParseTest(node));
    } else if (AtOperator("(")) {
      node = NewExpr(ExprKind::kCall, node);
      GANTRY_RETURN_IF_ERROR(ParseCallArguments(node));
    } else {
      return node;
    }
  }
}

absl::StatusOr<Expr*> Parser::ParseFilter(Expr* node) {
  GANTRY_RETURN_IF_ERROR(Advance());  // "|", or the tag's name
  Expr* filter = NewExpr(ExprKind::kFilter, node);
  GANTRY_ASSIGN_OR_RETURN(filter->name, ExpectAnyName());
  filter->builtin = FindFilter(filter->name);
  if (AtOperator("(")) GANTRY_RETURN_IF_ERROR(ParseCallArguments(filter));
  return filter;
}

absl::StatusOr<Expr*> Parser::ParseTest(Expr* node) {
  GANTRY_RETURN_IF_ERROR(Advance());
  GANTRY_ASSIGN_OR_RETURN(const bool negated, TakeName("not"));
  Expr* test = NewExpr(ExprKind::kTest, node);
  GANTRY_ASSIGN_OR_RETURN(test->name, ExpectAnyName());
  test->builtin = FindTest(test->name);
  using Kind = Token::Kind;
  const bool operand = token_.kind == Kind::kName || token_.kind == Kind::kString ||
                       token_.kind == Kind::kInteger || token_.kind == Kind::kFloat ||
                       AtOperator("[") || AtOperator("{");
  if (AtOperator("(")) {
    GANTRY_RETURN_IF_ERROR(ParseCallArguments(test));
  } else if (operand && !AtName("else") && !AtName("or") && !AtName("and")) {
    if (AtName("is")) return Fail("tests cannot be chained with \"is\"");
    Level level(this);
    GANTRY_RETURN_IF_ERROR(CheckLimits());
    GANTRY_ASSIGN_OR_RETURN(Expr * argument, ParsePrimary());
    GANTRY_ASSIGN_OR_RETURN(argument, ParsePostfix(argument));
    test->args.push_back(argument);
  }
  return negated ? NewExpr(ExprKind::kNot, test) : test;
}

}  // namespace gantry::jinja
