#ifndef GANTRY_MODEL_GRAMMAR_REGEX_H_
#define GANTRY_MODEL_GRAMMAR_REGEX_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/grammar/character_nfa.h"

namespace gantry {

// Which strings an expression is said to match: those that it matches as a whole, or those in which
// it matches somewhere, as JSON schemas have it.
enum class RegexMatch { kWhole, kSearch };

// Reads a regular expression, of what ECMAScript and PCRE2 have in common:
//
//   a  .  [a-z] [^a-z]      characters; . is any but \n
//   \d \w \s \D \W \S       ASCII digits, word characters and white space, and all but those
//   \t \n \r \f \v \xHH \uHHHH \u{H...} \\ \. and so on
//   ab  a|b  (a)  (?:a)  (?<name>a)
//   a*  a+  a?  a{2}  a{2,}  a{2,5}    also with ? behind them, which changes no match
//   ^ at the beginning and $ at the end of the whole or of one of its alternatives
//
// INVALID_ARGUMENT with the offset for what is malformed; UNIMPLEMENTED that names look-around,
// back-references, word boundaries, Unicode properties, flags, possessive quantifiers, anchors
// elsewhere; RESOURCE_EXHAUSTED for one beyond the limits.
absl::StatusOr<CharacterNfa> ParseRegex(absl::string_view text, RegexMatch match);

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_REGEX_H_
