#include "model/grammar/json_syntax.h"

#include <cstdint>
#include <limits>
#include <map>
#include <string>

#include "base/json.h"
#include "base/utf8.h"
#include "model/grammar/regex.h"

namespace gantry {
namespace {

constexpr char kInteger[] = "0|-?[1-9][0-9]{0,17}";
constexpr char kNumber[] = R"(-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?)";
constexpr int32_t kUnlimited = std::numeric_limits<int32_t>::max();

}  // namespace

int JsonSyntax::Open(int* rule) {
  *rule = nfa_->AddRule();
  return nfa_->start(*rule);
}

int JsonSyntax::Regex(int from, absl::string_view regex) {
  return nfa_->Characters(from, ParseRegex(regex, RegexMatch::kWhole).value(),
                          CharacterEncoding::kUtf8);
}

int JsonSyntax::Integer() {
  if (integer_ < 0) {
    const int start = Open(&integer_);
    nfa_->EndRule(integer_, Regex(start, kInteger));
  }
  return integer_;
}

int JsonSyntax::Number() {
  if (number_ < 0) {
    const int start = Open(&number_);
    nfa_->EndRule(number_, Regex(start, kNumber));
  }
  return number_;
}

int JsonSyntax::Character() {
  if (character_ < 0) {
    const int start = Open(&character_);
    const int end = nfa_->AddState();
    nfa_->AddCharacter(start, CharacterSet::All(), CharacterEncoding::kJsonString, end);
    nfa_->EndRule(character_, end);
  }
  return character_;
}

int JsonSyntax::AnyString() {
  if (any_string_ < 0) {
    const int inside = nfa_->Literal(Open(&any_string_), "\"");
    nfa_->SetFreeCharacters(inside, kUnlimited);
    nfa_->AddCharacter(inside, CharacterSet::All(), CharacterEncoding::kJsonString, inside);
    nfa_->EndRule(any_string_, nfa_->Literal(inside, "\""));
  }
  return any_string_;
}

int JsonSyntax::String(int from, int64_t min, int64_t max) {
  if (min == 0 && max == kNoMaxLength) return nfa_->Call(from, AnyString());
  const int64_t last = max == kNoMaxLength ? min : max;
  const int end = nfa_->AddState();
  int at = nfa_->Literal(from, "\"");
  for (int64_t count = 0;; ++count) {
    nfa_->SetFreeCharacters(at,
                            max == kNoMaxLength ? kUnlimited : static_cast<int32_t>(last - count));
    if (count >= min) nfa_->AddBytes(at, '"', '"', end);
    if (count == last) break;
    at = nfa_->Call(at, Character());
  }
  if (max == kNoMaxLength) nfa_->AddCall(at, Character(), at);
  return end;
}

int JsonSyntax::WhiteSpace(int from) {
  if (white_space_ < 0) {
    const int start = Open(&white_space_);
    const int end = nfa_->AddState();
    nfa_->AddBytes(start, ' ', ' ', end);
    int at = nfa_->Literal(start, "\n");
    nfa_->Connect(at, end);
    for (int i = 0; i < kMaxIndent; ++i) {
      at = nfa_->Literal(at, " ");
      nfa_->Connect(at, end);
    }
    nfa_->EndRule(white_space_, end);
  }
  const int to = nfa_->Call(from, white_space_);
  nfa_->Connect(from, to);
  return to;
}

int JsonSyntax::Colon(int from) {
  const int colon = nfa_->Literal(from, ":");
  const int to = nfa_->Literal(colon, " ");
  nfa_->Connect(colon, to);
  return to;
}

int JsonSyntax::OtherName(int from, absl::Span<const absl::string_view> taken) {
  // The taken names' trie; what leaves it is another name whatever follows.
  struct TrieNode {
    std::map<char32_t, int> children;
    bool taken = false;
    int state = 0;
  };
  std::vector<TrieNode> trie(1);
  for (const absl::string_view name : taken) {
    int at = 0;
    for (size_t pos = 0; pos < name.size();) {
      const char32_t character = NextChar(name, &pos);
      const auto [child, added] = trie[at].children.try_emplace(character, trie.size());
      const int next = child->second;
      if (added) trie.emplace_back();
      at = next;
    }
    trie[at].taken = true;
  }
  const int end = nfa_->AddState();
  const int other = nfa_->AddState();
  nfa_->SetFreeCharacters(other, kUnlimited);
  nfa_->AddCharacter(other, CharacterSet::All(), CharacterEncoding::kJsonString, other);
  nfa_->AddBytes(other, '"', '"', end);
  if (taken.empty()) {
    nfa_->Connect(nfa_->Literal(from, "\""), other);
    return Colon(end);
  }
  trie[0].state = nfa_->Literal(from, "\"");
  for (const TrieNode& node : trie) {
    if (!nfa_->status().ok()) break;
    CharacterSet leading_out;
    for (const auto& [character, child] : node.children) {
      leading_out.Add(character);
      CharacterSet one;
      one.Add(character);
      trie[child].state = nfa_->AddState();
      nfa_->AddCharacter(node.state, one, CharacterEncoding::kJsonString, trie[child].state);
    }
    nfa_->AddCharacter(node.state, leading_out.Complement(), CharacterEncoding::kJsonString, other);
    if (!node.taken) nfa_->AddBytes(node.state, '"', '"', end);
  }
  return Colon(end);
}

int JsonSyntax::AnyObject() {
  if (any_object_ < 0) {
    const int inside = WhiteSpace(nfa_->Literal(Open(&any_object_), "{"));
    const int name = nfa_->AddState();
    nfa_->Connect(inside, name);
    const int value = nfa_->Call(OtherName(name, {}), AnyValue());
    nfa_->Connect(WhiteSpace(nfa_->Literal(value, ",")), name);
    const int close = WhiteSpace(value);
    nfa_->Connect(inside, close);
    nfa_->EndRule(any_object_, nfa_->Literal(close, "}"));
  }
  return any_object_;
}

int JsonSyntax::AnyArray() {
  if (any_array_ < 0) {
    const int inside = WhiteSpace(nfa_->Literal(Open(&any_array_), "["));
    const int item = nfa_->AddState();
    nfa_->Connect(inside, item);
    const int value = nfa_->Call(item, AnyValue());
    nfa_->Connect(WhiteSpace(nfa_->Literal(value, ",")), item);
    const int close = WhiteSpace(value);
    nfa_->Connect(inside, close);
    nfa_->EndRule(any_array_, nfa_->Literal(close, "]"));
  }
  return any_array_;
}

int JsonSyntax::AnyValue() {
  if (any_value_ < 0) {
    const int start = Open(&any_value_);
    const int end = nfa_->AddState();
    nfa_->EndRule(any_value_, end);
    for (const int rule : {AnyString(), Number(), AnyObject(), AnyArray()}) {
      nfa_->AddCall(start, rule, end);
    }
    for (const char* word : {"true", "false", "null"}) {
      nfa_->Connect(nfa_->Literal(start, word), end);
    }
  }
  return any_value_;
}

}  // namespace gantry
