#ifndef GANTRY_MODEL_GRAMMAR_LIMITS_H_
#define GANTRY_MODEL_GRAMMAR_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace gantry {

// What a schema or an expression of a client may cost. They keep its compilation under a tenth of a
// second, and a token's mask under some milliseconds, whatever was written to make them slow.
inline constexpr size_t kMaxSchemaBytes = size_t{64} << 10;
inline constexpr size_t kMaxRegexBytes = size_t{16} << 10;
inline constexpr int kMaxRegexNesting = 100;  // groups within groups
inline constexpr int kMaxSchemaNesting = 64;  // schemas within schemas, once merged
inline constexpr int kMaxSchemaMerges = 256;  // of allOf, and of keywords beside $ref and anyOf
inline constexpr size_t kMaxRegexStates = 20'000;  // of one expression, repetitions written out
inline constexpr size_t kMaxNfaStates = 200'000;   // of all rules
inline constexpr size_t kMaxNodes = 100'000;       // of all rules, deterministic
inline constexpr size_t kMaxDeterminiseWork = 8'000'000;  // states and edges looked at
inline constexpr int64_t kMaxRepeats = 20'000;            // maxLength, maxItems and their like

// Of documents: rules within rules, about the levels of nesting.
inline constexpr int kMaxStackDepth = 60;
// Readings of what was generated that are followed at once. Each can be finished, so those beyond
// can be forgotten.
inline constexpr size_t kMaxStacks = 512;

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_LIMITS_H_
