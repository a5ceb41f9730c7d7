#ifndef GANTRY_MODEL_GRAMMAR_SCHEMA_COMPILER_H_
#define GANTRY_MODEL_GRAMMAR_SCHEMA_COMPILER_H_

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "model/grammar/json_syntax.h"
#include "model/grammar/nfa.h"

namespace gantry {

// Writes a schema's rules; json_schema.h says what they are. What a schema describes is written in
// place, so that alternatives with a common beginning are one automaton; what is referred to, and
// items, are rules of their own.
class SchemaCompiler {
 public:
  // All outlive this.
  SchemaCompiler(const Json* root, Nfa* nfa) : root_(root), nfa_(nfa), syntax_(nfa) {}

  // The rule of the whole.
  absl::StatusOr<int> Compile();

 private:
  // Methods that begin at the state `from` return the one where what they add ends.
  absl::StatusOr<int> Value(const Json& schema, const std::string& path, int from);
  absl::StatusOr<int> ValueOfKeywords(const Json& schema, const std::string& path, int from);
  absl::StatusOr<int> Alternatives(const Json& schema, const std::string& keyword,
                                   const std::string& path, int from);
  absl::StatusOr<int> Reference(const Json& schema, const std::string& path, int from);
  absl::StatusOr<int> AllOf(const Json& schema, const std::string& path, int from);
  absl::StatusOr<int> Enumeration(const Json& schema, const std::string& path, int from);
  absl::StatusOr<int> OfType(unsigned type, const Json& schema, const std::string& path, int from);
  absl::StatusOr<int> Object(const Json& schema, const std::string& path, int from);
  absl::StatusOr<int> Array(const Json& schema, const std::string& path, int from);
  absl::StatusOr<int> String(const Json& schema, const std::string& path, int from);
  absl::StatusOr<int> Number(const Json& schema, const std::string& path, bool integer, int from);

  struct Property {
    std::string name;
    const Json* schema;  // null: any value
    std::string path;
    bool required = false;
  };
  absl::StatusOr<std::vector<Property>> Properties(const Json& schema, const std::string& path);
  // The rule of a value of `schema`, null for any.
  absl::StatusOr<int> ValueRule(const Json* schema, const std::string& path);
  absl::StatusOr<int> ValueOrAny(const Json* schema, const std::string& path, int from);
  absl::StatusOr<Json> Merge(const Json& one, const Json& other, const std::string& path);

  const Json* const root_;
  Nfa* const nfa_;
  JsonSyntax syntax_;
  int nesting_ = 0;
  int merges_ = 0;
  absl::flat_hash_map<std::string, int> reference_rules_;
  std::deque<std::pair<std::string, int>> unwritten_;  // references and their rules
};

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_SCHEMA_COMPILER_H_
