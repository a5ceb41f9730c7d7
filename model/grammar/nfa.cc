#include "model/grammar/nfa.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "model/grammar/limits.h"

namespace gantry {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

// The letter of the short escape of a character of a JSON string; 0 where there is none.
char ShortEscape(char32_t character) {
  switch (character) {
    case '"':
    case '\\':
      return static_cast<char>(character);
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

}  // namespace

Nfa::Nfa() { states_.emplace_back(); }

int Nfa::AddState() {
  if (!HasRoom(1)) return 0;
  states_.emplace_back();
  return static_cast<int>(states_.size()) - 1;
}

bool Nfa::HasRoom(size_t states) {
  if (states_.size() + states > kMaxNfaStates) {
    status_ = absl::ResourceExhaustedError(
        absl::StrCat("needs more than ", kMaxNfaStates,
                     " states; make expressions, lengths and numbers of items smaller"));
  }
  return status_.ok();
}

int Nfa::AddRule() {
  const int start = AddState();
  rules_.push_back({start, start});
  return static_cast<int>(rules_.size()) - 1;
}

void Nfa::Connect(int from, int to) { states_[from].empty_edges.push_back(to); }

void Nfa::AddBytes(int from, unsigned char first, unsigned char last, int to) {
  states_[from].bytes.push_back({first, last, to});
}

void Nfa::AddCall(int from, int rule, int to) { states_[from].calls.push_back({rule, to}); }

int Nfa::Literal(int from, absl::string_view bytes) {
  for (const unsigned char byte : bytes) {
    const int to = AddState();
    AddBytes(from, byte, byte, to);
    from = to;
  }
  return from;
}

int Nfa::Call(int from, int rule) {
  const int to = AddState();
  AddCall(from, rule, to);
  return to;
}

int Nfa::Characters(int from, const CharacterNfa& nfa, CharacterEncoding encoding) {
  if (!HasRoom(nfa.states.size())) return from;
  const int offset = static_cast<int>(states_.size());
  states_.resize(states_.size() + nfa.states.size());
  for (size_t i = 0; i < nfa.states.size() && status_.ok(); ++i) {
    for (const int target : nfa.states[i].empty_edges) Connect(offset + i, offset + target);
    for (const CharacterNfa::Edge& edge : nfa.states[i].edges) {
      AddCharacter(offset + i, nfa.sets[edge.set], encoding, offset + edge.target);
    }
  }
  Connect(from, offset + nfa.start);
  return offset + nfa.end;
}

void Nfa::AddCharacter(int from, const CharacterSet& set, CharacterEncoding encoding, int to) {
  if (encoding == CharacterEncoding::kUtf8) return AddUtf8(from, set, to);
  CharacterSet plain = set.Within(0x20, '"' - 1);
  plain.Add(set.Within('"' + 1, '\\' - 1));
  plain.Add(set.Within('\\' + 1, 0x10ffff));
  AddUtf8(from, plain, to);
  AddJsonEscapes(from, set, to);
}

void Nfa::AddUtf8(int from, const CharacterSet& set, int to) {
  struct Tail {
    unsigned char first;
    unsigned char last;
    int next;
    int state;
  };
  std::vector<Tail> tails;  // states from which only these bytes lead on
  for (const Utf8Sequence& sequence : Utf8Sequences(set)) {
    int next = to;
    for (int i = sequence.length - 1; i > 0; --i) {
      const auto [first, last] = sequence.bytes[i];
      int state = -1;
      for (const Tail& tail : tails) {
        if (tail.first == first && tail.last == last && tail.next == next) state = tail.state;
      }
      if (state < 0) {
        state = AddState();
        AddBytes(state, first, last, next);
        tails.push_back({first, last, next, state});
      }
      next = state;
    }
    AddBytes(from, sequence.bytes[0].first, sequence.bytes[0].last, next);
  }
}

void Nfa::AddJsonEscapes(int from, const CharacterSet& set, int to) {
  const bool all = set.IsAll();
  int backslash = -1;
  const auto escape = [&] {
    if (backslash < 0) {
      backslash = AddState();
      AddBytes(from, '\\', '\\', backslash);
    }
    return backslash;
  };
  for (const char32_t character : {char32_t{'"'}, char32_t{'\\'}}) {
    if (set.Contains(character)) AddBytes(escape(), character, character, to);
  }
  for (char32_t character = 0; character < 0x20; ++character) {
    if (!set.Contains(character)) continue;
    const char letter = ShortEscape(character);
    if (letter != 0) {
      AddBytes(escape(), letter, letter, to);
    } else if (!all) {
      const int last = Literal(escape(), character < 0x10 ? "u000" : "u001");
      const char digit = kHexDigits[character % 16];
      AddBytes(last, digit, digit, to);
      if (absl::ascii_isalpha(digit)) {
        AddBytes(last, absl::ascii_toupper(digit), absl::ascii_toupper(digit), to);
      }
    }
  }
  if (all) {
    AddBytes(escape(), '/', '/', to);
    AddAnyUnicodeEscape(escape(), to);
  }
}

// \uXXXX but half a surrogate pair; `from` is behind the backslash.
void Nfa::AddAnyUnicodeEscape(int from, int to) {
  const int u = Literal(from, "u");
  const int last_three = AddState();
  AddBytes(u, '0', '9', last_three);
  for (const char* letters : {"ac", "AC", "ef", "EF"}) {
    AddBytes(u, letters[0], letters[1], last_three);
  }
  const int d = AddState();
  AddBytes(u, 'd', 'd', d);
  AddBytes(u, 'D', 'D', d);
  const int last_two = AddState();
  AddBytes(d, '0', '7', last_two);
  Connect(HexDigits(last_three, 3), to);
  Connect(HexDigits(last_two, 2), to);
  const int high = AddState();
  AddBytes(d, '8', '9', high);
  AddBytes(d, 'a', 'b', high);
  AddBytes(d, 'A', 'B', high);
  const int second = Literal(HexDigits(high, 2), "\\u");
  const int low_d = AddState();
  AddBytes(second, 'd', 'd', low_d);
  AddBytes(second, 'D', 'D', low_d);
  const int low = AddState();
  AddBytes(low_d, 'c', 'f', low);
  AddBytes(low_d, 'C', 'F', low);
  Connect(HexDigits(low, 2), to);
}

int Nfa::HexDigits(int from, int count) {
  for (int i = 0; i < count; ++i) {
    const int to = AddState();
    AddBytes(from, '0', '9', to);
    AddBytes(from, 'a', 'f', to);
    AddBytes(from, 'A', 'F', to);
    from = to;
  }
  return from;
}

}  // namespace gantry
