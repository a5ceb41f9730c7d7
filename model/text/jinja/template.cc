#include "model/text/jinja/template.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/text/jinja/interpreter.h"

namespace gantry::jinja {

absl::StatusOr<std::unique_ptr<Template>> Template::Parse(absl::string_view source,
                                                          const ParseLimits& limits) {
  if (source.size() > limits.source_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the template has ", source.size(),
                                                     " bytes, more than ", limits.source_bytes));
  }
  if (!IsValidUtf8(source)) return absl::InvalidArgumentError("the template is not UTF-8");
  auto parsed = std::unique_ptr<Template>(new Template);
  Parser parser(source, limits, &parsed->ast_);
  GANTRY_RETURN_IF_ERROR(parser.ParseTemplate());
  return parsed;
}

absl::StatusOr<MarkedText> Template::Render(
    Runtime* runtime, std::vector<std::pair<std::string, Value>> variables) const {
  Interpreter interpreter(ast_, runtime);
  for (auto& [name, value] : variables) interpreter.SetVariable(name, std::move(value));
  absl::StatusOr<MarkedText> text = interpreter.Run();
  if (text.ok() || runtime->raised) return text;
  return Annotate(text.status(), absl::StrCat("line ", interpreter.line()));
}

}  // namespace gantry::jinja
