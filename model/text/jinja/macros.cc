#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/jinja/interpreter.h"

namespace gantry::jinja {

Value Interpreter::MakeMacro(const Macro* macro) {
  // A macro sees later assignments of the names around it, so these scopes must last.
  for (Scope* scope = scope_; scope != nullptr && !scope->captured; scope = scope->parent) {
    scope->captured = true;
  }
  Callable callable;
  callable.macro = macro;
  callable.scope = scope_;
  return runtime_.NewCallable(std::move(callable));
}

absl::StatusOr<Value> Interpreter::CallMacro(const Macro& macro, Scope* scope, Args args) {
  Level level(this);
  GANTRY_RETURN_IF_ERROR(level.Check());
  TextBuilder out;
  TextBuilder* const outer_out = std::exchange(out_, &out);
  Scope* const outer_scope = std::exchange(scope_, runtime_.NewScope(scope));
  absl::Cleanup restore = [&] {
    out_ = outer_out;
    scope_ = outer_scope;
  };
  GANTRY_RETURN_IF_ERROR(BindMacroArgs(macro, std::move(args)));
  GANTRY_RETURN_IF_ERROR(Run(macro.body).status());
  return Value(out.Build());
}

absl::Status Interpreter::BindMacroArgs(const Macro& macro, Args args) {
  auto set = [this](int symbol, Value value) {
    scope_->names.insert_or_assign(symbol, std::move(value));
  };
  auto symbol_of = [this](const char* name) { return ast_.symbol_ids.find(name)->second; };
  const size_t count = macro.parameters.size();
  std::vector<bool> given(count, false);
  for (size_t i = 0; i < std::min(count, args.positional.size()); ++i) {
    given[i] = true;
    set(macro.parameters[i], args.positional[i]);
  }
  std::vector<Value> varargs;
  for (size_t i = count; i < args.positional.size(); ++i) varargs.push_back(args.positional[i]);
  if (!varargs.empty() && !macro.uses_varargs) {
    return absl::InvalidArgumentError(
        absl::StrCat("macro '", macro.name, "' takes not more than ", count, " arguments"));
  }
  std::vector<std::pair<Value, Value>> kwargs;
  bool has_caller = false;
  for (auto& [name, value] : args.named) {
    const auto& names = macro.parameter_names;
    const size_t i = std::find(names.begin(), names.end(), name) - names.begin();
    if (i < count) {
      if (given[i]) {
        return absl::InvalidArgumentError(
            absl::StrCat("macro '", macro.name, "': argument '", name, "' is given twice"));
      }
      given[i] = true;
      set(macro.parameters[i], std::move(value));
    } else if (name == "caller" && macro.uses_caller) {
      has_caller = true;
      set(symbol_of("caller"), std::move(value));
    } else if (macro.uses_kwargs) {
      kwargs.emplace_back(MakeString(name), std::move(value));
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("macro '", macro.name, "' takes no keyword argument '", name, "'"));
    }
  }
  if (macro.uses_caller && !has_caller &&
      std::find(macro.parameter_names.begin(), macro.parameter_names.end(), "caller") ==
          macro.parameter_names.end()) {
    set(symbol_of("caller"), MakeUndefined("no caller defined"));
  }
  if (macro.uses_varargs) set(symbol_of("varargs"), runtime_.NewTuple(std::move(varargs)));
  if (macro.uses_kwargs) {
    GANTRY_ASSIGN_OR_RETURN(Value dict, runtime_.NewDict(std::move(kwargs)));
    set(symbol_of("kwargs"), std::move(dict));
  }
  const size_t required = count - macro.defaults.size();
  for (size_t i = 0; i < count; ++i) {
    if (given[i]) continue;
    Value value =
        MakeUndefined(absl::StrCat("parameter '", macro.parameter_names[i], "' was not provided"));
    if (i >= required) {
      GANTRY_ASSIGN_OR_RETURN(value, Eval(macro.defaults[i - required]));
    }
    set(macro.parameters[i], std::move(value));
  }
  return absl::OkStatus();
}

}  // namespace gantry::jinja
