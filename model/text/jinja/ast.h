#ifndef GANTRY_MODEL_TEXT_JINJA_AST_H_
#define GANTRY_MODEL_TEXT_JINJA_AST_H_

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "model/text/jinja/value.h"

namespace gantry::jinja {

struct Builtin;

enum class ExprKind {
  // Without `left`.
  kLiteral,       // literal
  kName,          // symbol
  kList,          // args
  kTuple,         // args
  kDict,          // args: key, value, key, value
  kConcat,        // args: a ~ b ~ c
  kBlockInput,    // what a filter block or block set has captured
  kNamespaceRef,  // target of set only: symbol.name
  // With `left`, the operand that is evaluated first.
  kAttribute,  // left.name
  kItem,       // left[args[0]]
  kSlice,      // left[args[0]:args[1]:args[2]], null where absent
  kCall,       // left(args, named, *star, **double_star)
  kFilter,     // left | name(...)
  kTest,       // left is name(...)
  kNot,
  kNegate,
  kPlus,
  kBinary,   // left op args[0]
  kCompare,  // left ops[0] args[0] ops[1] args[1] ...
  kAnd,      // left and args[0]
  kOr,
  kConditional,  // args[0] if left else args[1]; args[1] may be null
};

enum class Op { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow };
enum class CompareOp { kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

// Nodes belong to the Ast, so that a chain of a million of them is freed without recursion.
struct Expr {
  ExprKind kind;
  int line = 0;
  Op op = Op::kAdd;
  int symbol = -1;
  std::string name;
  const Builtin* builtin = nullptr;  // of a filter or test; null when there is none of that name
  Value literal;
  Expr* left = nullptr;
  std::vector<Expr*> args;
  std::vector<std::pair<std::string, Expr*>> named;
  Expr* star = nullptr;
  Expr* double_star = nullptr;
  std::vector<CompareOp> ops;
};

struct Stmt;
using Block = std::vector<Stmt*>;

struct Macro {
  std::string name;
  std::vector<int> parameters;
  std::vector<std::string> parameter_names;
  std::vector<Expr*> defaults;  // of the last parameters
  Block body;
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};

enum class StmtKind {
  kText,         // text
  kOutput,       // expr
  kFor,          // target, expr, condition, body, other
  kIf,           // expr, body, other (an elif is an if in `branches`)
  kSet,          // target, expr
  kSetBlock,     // target, body, expr (over kBlockInput) or null
  kMacro,        // target (a name), macro
  kCallBlock,    // expr (a call), macro
  kFilterBlock,  // expr over kBlockInput, body
  kWith,         // targets, values, body
  kScope,        // body with its own names
  kBreak,
  kContinue,
};

struct Stmt {
  StmtKind kind;
  int line = 0;
  TextPtr text;
  Expr* expr = nullptr;
  Expr* target = nullptr;
  Expr* condition = nullptr;
  Macro* macro = nullptr;
  Block body;
  Block other;
  std::vector<std::pair<Expr*, Block>> branches;
  std::vector<std::pair<Expr*, Expr*>> bindings;
};

struct Ast {
  std::deque<Expr> exprs;
  std::deque<Stmt> stmts;
  std::deque<Macro> macros;
  Block body;
  std::vector<std::string> symbols;
  absl::flat_hash_map<std::string, int> symbol_ids;

  int Symbol(const std::string& name) {
    const auto [it, fresh] = symbol_ids.try_emplace(name, static_cast<int>(symbols.size()));
    if (fresh) symbols.push_back(name);
    return it->second;
  }
};

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_AST_H_
