#ifndef GANTRY_MODEL_GRAMMAR_NFA_H_
#define GANTRY_MODEL_GRAMMAR_NFA_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/grammar/character_nfa.h"

namespace gantry {

// How characters are written: as UTF-8, or within a JSON string, where ", \ and control characters
// are escaped. There only what may be any character may be any escape; of a narrower set each
// character has the one form that writers of JSON give it (hexadecimal digits in either case), so
// that a pattern or a name cannot be got around by another.
enum class CharacterEncoding { kUtf8, kJsonString };

// What a grammar is written in: rules over bytes, each a nondeterministic automaton whose edges are
// ranges of bytes or calls of rules (a recursive transition network: Woods, 1970). Methods that
// begin at a state add edges from it and return the state where what they add ends. Beyond
// kMaxNfaStates they add nothing, and status() says so.
class Nfa {
 public:
  struct ByteEdge {
    unsigned char first;
    unsigned char last;  // inclusive
    int target;
  };
  struct CallEdge {
    int rule;
    int target;
  };
  struct State {
    std::vector<ByteEdge> bytes;
    std::vector<CallEdge> calls;
    std::vector<int> empty_edges;
    // So many characters of a JSON string, whichever they are, may follow here.
    int32_t free_characters = 0;
  };
  struct Rule {
    int start = 0;
    int end = 0;  // accepting
  };

  Nfa();
  int AddState();
  // A rule of one state, to be given its end.
  int AddRule();
  void EndRule(int rule, int end) { rules_[rule].end = end; }
  int start(int rule) const { return rules_[rule].start; }

  void Connect(int from, int to);
  void AddBytes(int from, unsigned char first, unsigned char last, int to);
  void AddCall(int from, int rule, int to);
  void SetFreeCharacters(int state, int32_t count) { states_[state].free_characters = count; }

  int Literal(int from, absl::string_view bytes);
  int Call(int from, int rule);
  int Characters(int from, const CharacterNfa& nfa, CharacterEncoding encoding);
  void AddCharacter(int from, const CharacterSet& set, CharacterEncoding encoding, int to);

  const std::vector<State>& states() const { return states_; }
  const std::vector<Rule>& rules() const { return rules_; }
  // RESOURCE_EXHAUSTED once a state was refused.
  const absl::Status& status() const { return status_; }

 private:
  // False, and status() says so, where so many more states are too many.
  bool HasRoom(size_t states);
  void AddUtf8(int from, const CharacterSet& set, int to);
  void AddJsonEscapes(int from, const CharacterSet& set, int to);
  void AddAnyUnicodeEscape(int from, int to);
  int HexDigits(int from, int count);

  std::vector<State> states_;
  std::vector<Rule> rules_;
  absl::Status status_;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_NFA_H_
