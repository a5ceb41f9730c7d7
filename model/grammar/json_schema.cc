#include "model/grammar/json_schema.h"

#include "base/json.h"
#include "base/status_macros.h"
#include "model/grammar/json_syntax.h"
#include "model/grammar/limits.h"
#include "model/grammar/regex.h"
#include "model/grammar/schema_compiler.h"

namespace gantry {

absl::StatusOr<Grammar> CompileJsonSchema(absl::string_view schema, const ByteSet& usable) {
  JsonLimits limits;
  limits.max_bytes = kMaxSchemaBytes;
  GANTRY_ASSIGN_OR_RETURN(const Json json, ParseJson(schema, "the schema", limits));
  Nfa nfa;
  GANTRY_ASSIGN_OR_RETURN(const int start, SchemaCompiler(&json, &nfa).Compile());
  absl::StatusOr<Grammar> grammar = Grammar::Build(nfa, start, usable);
  if (!grammar.ok()) return Annotate(grammar.status(), "#");
  return grammar;
}

absl::StatusOr<Grammar> CompileJsonObject(const ByteSet& usable) {
  Nfa nfa;
  const int start = JsonSyntax(&nfa).AnyObject();
  return Grammar::Build(nfa, start, usable);
}

absl::StatusOr<Grammar> CompileRegex(absl::string_view regex, const ByteSet& usable) {
  GANTRY_ASSIGN_OR_RETURN(const CharacterNfa characters, ParseRegex(regex, RegexMatch::kWhole));
  Nfa nfa;
  const int rule = nfa.AddRule();
  nfa.EndRule(rule, nfa.Characters(nfa.start(rule), characters, CharacterEncoding::kUtf8));
  return Grammar::Build(nfa, rule, usable);
}

}  // namespace gantry
