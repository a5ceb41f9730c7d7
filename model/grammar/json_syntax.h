#ifndef GANTRY_MODEL_GRAMMAR_JSON_SYNTAX_H_
#define GANTRY_MODEL_GRAMMAR_JSON_SYNTAX_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/grammar/nfa.h"

namespace gantry {

// The parts of JSON as rules of `nfa`, each made when it is first asked for.
//
// White space is what people and models put there, and is bounded so that none goes on for ever:
// one space, or one line feed and up to kMaxIndent spaces, behind { [ and , and before } and ]; one
// space behind a colon; none elsewhere. Numbers have up to 18 digits before the point, 20 behind it
// and 2 in the exponent: every reader takes them.
class JsonSyntax {
 public:
  static constexpr int kMaxIndent = 24;

  // `nfa` outlives this.
  explicit JsonSyntax(Nfa* nfa) : nfa_(nfa) {}

  // Rules.
  int AnyValue();
  int AnyObject();
  int AnyArray();
  int AnyString();
  int Number();
  int Integer();

  // As Nfa's: these add edges from `from` and return where they end.
  // A text of an expression of ParseRegex that is known to be good.
  int Regex(int from, absl::string_view regex);
  // Any string of `min` to `max` characters; kNoMaxLength for no maximum. Requires that neither
  // is above kMaxRepeats but that.
  int String(int from, int64_t min, int64_t max);
  // A member's name that is none of `taken`, in the one form that Json's writer gives it, and its
  // colon.
  int OtherName(int from, absl::Span<const absl::string_view> taken);
  int Colon(int from);
  int WhiteSpace(int from);

 private:
  int Character();
  int Open(int* rule);

  Nfa* const nfa_;
  int any_value_ = -1;
  int any_object_ = -1;
  int any_array_ = -1;
  int any_string_ = -1;
  int number_ = -1;
  int integer_ = -1;
  int character_ = -1;
  int white_space_ = -1;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_JSON_SYNTAX_H_
