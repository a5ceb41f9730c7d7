#ifndef GANTRY_MODEL_TEXT_JINJA_INTERPRETER_H_
#define GANTRY_MODEL_TEXT_JINJA_INTERPRETER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/text/jinja/ast.h"
#include "model/text/jinja/builtin.h"
#include "model/text/jinja/runtime.h"

namespace gantry::jinja {

// Runs one rendering of a parsed template. Statements are in statements.cc, expressions in
// expressions.cc.
class Interpreter {
 public:
  Interpreter(const Ast& ast, Runtime* runtime)
      : ast_(ast), runtime_(*runtime), scope_(runtime->NewScope(nullptr)) {}

  void SetVariable(const std::string& name, Value value);
  absl::StatusOr<MarkedText> Run();
  // The line of the statement that ran last.
  int line() const { return line_; }

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  // Counts nesting for its lifetime.
  class Level {
   public:
    explicit Level(Interpreter* interpreter) : interpreter_(interpreter) { ++interpreter_->depth_; }
    ~Level() { --interpreter_->depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    absl::Status Check() const;

   private:
    Interpreter* interpreter_;
  };

  absl::StatusOr<Flow> Run(const Block& block);
  absl::StatusOr<Flow> RunStmt(const Stmt& stmt);
  absl::StatusOr<Flow> RunFor(const Stmt& stmt);
  absl::StatusOr<std::vector<Value>> LoopItems(const Stmt& stmt);
  absl::StatusOr<Flow> RunIf(const Stmt& stmt);
  absl::StatusOr<Flow> RunWith(const Stmt& stmt);
  absl::StatusOr<Flow> RunSetBlock(const Stmt& stmt);
  absl::StatusOr<Flow> RunFilterBlock(const Stmt& stmt);
  absl::Status RunCallBlock(const Stmt& stmt);
  absl::StatusOr<Flow> RunScoped(const Block& block);
  // Runs the block with its own names and output, which becomes *captured.
  absl::StatusOr<Flow> Capture(const Block& block, TextPtr* captured);
  absl::Status Write(const Value& value);
  absl::Status WriteText(const Text& text);
  absl::Status Assign(const Expr& target, const Value& value);

  absl::StatusOr<Value> Eval(const Expr* expr);
  absl::StatusOr<Value> EvalFirst(const Expr& expr);
  absl::StatusOr<Value> Apply(const Expr& expr, const Value& left);
  absl::StatusOr<Value> EvalName(int symbol);
  absl::StatusOr<Value> EvalConcat(const Expr& expr);
  absl::StatusOr<Value> EvalDict(const Expr& expr);
  absl::StatusOr<std::vector<Value>> EvalAll(const std::vector<Expr*>& exprs);
  absl::StatusOr<Value> ApplySlice(const Expr& expr, const Value& left);
  absl::StatusOr<Value> ApplyCompare(const Expr& expr, Value left);
  absl::StatusOr<Value> ApplyBuiltin(const Expr& expr, const Value& left);
  absl::StatusOr<Args> EvalArgs(const Expr& call);

  absl::StatusOr<Value> Call(const Value& callee, Args args);
  absl::StatusOr<Value> CallMacro(const Macro& macro, Scope* scope, Args args);
  absl::Status BindMacroArgs(const Macro& macro, Args args);
  Value MakeMacro(const Macro* macro);

  const Ast& ast_;
  Runtime& runtime_;
  Scope* scope_;
  TextBuilder* out_ = nullptr;
  TextPtr block_input_;
  int depth_ = 0;
  int line_ = 0;
};

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_INTERPRETER_H_
