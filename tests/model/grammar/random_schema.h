#ifndef GANTRY_TESTS_MODEL_GRAMMAR_RANDOM_SCHEMA_H_
#define GANTRY_TESTS_MODEL_GRAMMAR_RANDOM_SCHEMA_H_

#include <random>
#include <string>

#include "base/json.h"

namespace gantry {

// Schemas by chance, documents that satisfy them, and a checker that shares nothing with the
// grammar.
class RandomSchema {
 public:
  explicit RandomSchema(std::mt19937* random) : random_(*random) {}

  // With definitions, one of which refers to itself.
  Json Schema();
  // A document that satisfies it, as the grammar would write it: in the order of properties, with
  // nothing that is not declared. `root` resolves references.
  Json Document(const Json& root, const Json& schema, int depth = 0);

 private:
  Json Part(int depth);
  Json ObjectPart(int depth);
  Json ArrayPart(int depth);
  Json StringPart();
  Json Any(int depth);
  std::string Characters(int count);
  int Below(int n) { return static_cast<int>(random_() % n); }

  std::mt19937& random_;
};

// Whether `value` satisfies `schema`, by the specification and for the keywords that RandomSchema
// writes.
bool Satisfies(const Json& root, const Json& schema, const Json& value);

}  // namespace gantry

#endif  // GANTRY_TESTS_MODEL_GRAMMAR_RANDOM_SCHEMA_H_
