#include "model/grammar/regex.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/grammar/limits.h"
#include "model/grammar/regex_class.h"

namespace gantry {
namespace {

// Reads and builds at once. A fragment's states are those that were made while it was read, so that
// a repetition copies a range of them.
class RegexParser {
 public:
  RegexParser(absl::string_view text, RegexMatch match) : text_(text), match_(match) {}

  absl::StatusOr<CharacterNfa> Parse() {
    GANTRY_ASSIGN_OR_RETURN(const Fragment whole, Alternatives(/*nesting=*/0));
    if (pos_ < text_.size()) return RegexError(pos_, "a ) without its (");
    nfa_.start = whole.start;
    nfa_.end = whole.end;
    return std::move(nfa_);
  }

 private:
  struct Fragment {
    int start;
    int end;
  };
  struct Count {
    int64_t min = 1;
    int64_t max = 1;  // kNoMaxLength: none
  };

  bool At(char c) const { return pos_ < text_.size() && text_[pos_] == c; }
  void Connect(int from, int to) { nfa_.states[from].empty_edges.push_back(to); }

  absl::StatusOr<Fragment> Alternatives(int nesting);
  absl::StatusOr<Fragment> Alternative(int nesting);
  absl::StatusOr<Fragment> Group(int nesting);
  absl::StatusOr<Fragment> Atom(int nesting);
  absl::StatusOr<Fragment> Quantified(int nesting);
  absl::StatusOr<Fragment> OfSet(CharacterSet set);
  absl::StatusOr<Fragment> AnyText();
  absl::StatusOr<bool> ReadCount(Count* count);
  absl::StatusOr<int64_t> ReadNumber();
  absl::StatusOr<Fragment> Repeat(const Fragment& once, int first_state, const Count& count);
  absl::StatusOr<Fragment> CopyStates(const Fragment& fragment, int first, int last);

  const absl::string_view text_;
  const RegexMatch match_;
  size_t pos_ = 0;
  CharacterNfa nfa_;
};

absl::StatusOr<RegexParser::Fragment> RegexParser::Alternatives(int nesting) {
  if (nesting > kMaxRegexNesting) {
    return RegexError(pos_, absl::StrCat("groups nested deeper than ", kMaxRegexNesting));
  }
  Fragment all;
  GANTRY_ASSIGN_OR_RETURN(all.start, nfa_.AddState());
  GANTRY_ASSIGN_OR_RETURN(all.end, nfa_.AddState());
  while (true) {
    GANTRY_ASSIGN_OR_RETURN(const Fragment one, Alternative(nesting));
    Connect(all.start, one.start);
    Connect(one.end, all.end);
    if (!At('|')) return all;
    ++pos_;
  }
}

absl::StatusOr<RegexParser::Fragment> RegexParser::Alternative(int nesting) {
  const bool search = nesting == 0 && match_ == RegexMatch::kSearch;
  const bool from_start = nesting == 0 && At('^');
  if (from_start) ++pos_;
  Fragment sequence;
  GANTRY_ASSIGN_OR_RETURN(sequence.start, nfa_.AddState());
  sequence.end = sequence.start;
  const auto append = [&](const Fragment& next) {
    Connect(sequence.end, next.start);
    sequence.end = next.end;
  };
  if (search && !from_start) {
    GANTRY_ASSIGN_OR_RETURN(const Fragment before, AnyText());
    append(before);
  }
  bool to_end = false;
  while (pos_ < text_.size() && !At('|') && !At(')')) {
    if (nesting == 0 && At('$') && (pos_ + 1 == text_.size() || text_[pos_ + 1] == '|')) {
      ++pos_;
      to_end = true;
      break;
    }
    GANTRY_ASSIGN_OR_RETURN(const Fragment next, Quantified(nesting));
    append(next);
  }
  if (search && !to_end) {
    GANTRY_ASSIGN_OR_RETURN(const Fragment after, AnyText());
    append(after);
  }
  return sequence;
}

absl::StatusOr<RegexParser::Fragment> RegexParser::AnyText() {
  GANTRY_ASSIGN_OR_RETURN(const Fragment any, OfSet(CharacterSet::All()));
  Connect(any.end, any.start);
  return Fragment{any.start, any.start};
}

absl::StatusOr<RegexParser::Fragment> RegexParser::OfSet(CharacterSet set) {
  Fragment fragment;
  GANTRY_ASSIGN_OR_RETURN(fragment.start, nfa_.AddState());
  GANTRY_ASSIGN_OR_RETURN(fragment.end, nfa_.AddState());
  nfa_.states[fragment.start].edges.push_back({static_cast<int>(nfa_.sets.size()), fragment.end});
  nfa_.sets.push_back(std::move(set));
  return fragment;
}

absl::StatusOr<RegexParser::Fragment> RegexParser::Group(int nesting) {
  const size_t begin = pos_++;
  if (At('?')) {
    const absl::string_view rest = text_.substr(pos_ + 1);
    if (absl::StartsWith(rest, "=") || absl::StartsWith(rest, "!")) {
      return RegexUnsupported(begin, "look-ahead");
    }
    if (absl::StartsWith(rest, "<=") || absl::StartsWith(rest, "<!")) {
      return RegexUnsupported(begin, "look-behind");
    }
    if (absl::StartsWith(rest, ":")) {
      pos_ += 2;
    } else if (absl::StartsWith(rest, "<")) {
      const size_t end = text_.find('>', pos_);
      if (end == absl::string_view::npos) return RegexError(begin, "a group's name without its >");
      pos_ = end + 1;
    } else {
      return RegexUnsupported(begin, "a group that begins with (? but not (?: or (?<name>");
    }
  }
  GANTRY_ASSIGN_OR_RETURN(const Fragment inside, Alternatives(nesting + 1));
  if (!At(')')) return RegexError(begin, "a ( without its )");
  ++pos_;
  return inside;
}

absl::StatusOr<RegexParser::Fragment> RegexParser::Atom(int nesting) {
  const char c = text_[pos_];
  switch (c) {
    case '(':
      return Group(nesting);
    case '[': {
      GANTRY_ASSIGN_OR_RETURN(CharacterSet set, ParseRegexClass(text_, &pos_));
      return OfSet(std::move(set));
    }
    case '.': {
      ++pos_;
      CharacterSet newline;
      newline.Add('\n');
      return OfSet(newline.Complement());
    }
    case '\\': {
      ++pos_;
      GANTRY_ASSIGN_OR_RETURN(CharacterSet set, ParseRegexEscape(text_, false, &pos_));
      return OfSet(std::move(set));
    }
    case '^':
    case '$':
      return RegexUnsupported(
          pos_, absl::StrCat(absl::string_view(&c, 1), " other than at the very beginning or end"));
    case '*':
    case '+':
    case '?':
    case '{':
      return RegexError(pos_, absl::StrCat("nothing before ", absl::string_view(&c, 1),
                                           " that it could repeat; a backslash makes it a "
                                           "character"));
    default: {
      CharacterSet set;
      set.Add(NextChar(text_, &pos_));
      return OfSet(std::move(set));
    }
  }
}

absl::StatusOr<int64_t> RegexParser::ReadNumber() {
  const size_t begin = pos_;
  int64_t value = 0;
  while (pos_ < text_.size() && absl::ascii_isdigit(text_[pos_])) {
    value = std::min<int64_t>(value * 10 + (text_[pos_++] - '0'), int64_t{1} << 40);
  }
  if (pos_ == begin) {
    return RegexError(begin, "expected {2}, {2,} or {2,5}; write \\{ for a brace");
  }
  return value;
}

// False where there is no quantifier.
absl::StatusOr<bool> RegexParser::ReadCount(Count* count) {
  const size_t begin = pos_;
  if (At('*')) {
    *count = {0, kNoMaxLength};
  } else if (At('+')) {
    *count = {1, kNoMaxLength};
  } else if (At('?')) {
    *count = {0, 1};
  } else if (At('{')) {
    ++pos_;
    GANTRY_ASSIGN_OR_RETURN(count->min, ReadNumber());
    count->max = count->min;
    if (At(',')) {
      ++pos_;
      count->max = kNoMaxLength;
      if (!At('}')) {
        GANTRY_ASSIGN_OR_RETURN(count->max, ReadNumber());
      }
    }
    if (!At('}')) return RegexError(pos_, "expected } after the number of repetitions");
    if (count->max < count->min) return RegexError(begin, "more repetitions at least than at most");
  } else {
    return false;
  }
  ++pos_;
  if (At('+')) return RegexUnsupported(pos_, "a possessive quantifier");
  if (At('?')) ++pos_;
  if (At('*') || At('?') || At('{')) return RegexError(pos_, "a quantifier behind a quantifier");
  return true;
}

absl::StatusOr<RegexParser::Fragment> RegexParser::Quantified(int nesting) {
  const int first_state = static_cast<int>(nfa_.states.size());
  GANTRY_ASSIGN_OR_RETURN(const Fragment once, Atom(nesting));
  Count count;
  GANTRY_ASSIGN_OR_RETURN(const bool quantified, ReadCount(&count));
  if (!quantified) return once;
  return Repeat(once, first_state, count);
}

absl::StatusOr<RegexParser::Fragment> RegexParser::Repeat(const Fragment& once, int first_state,
                                                          const Count& count) {
  const int last_state = static_cast<int>(nfa_.states.size());
  const bool unlimited = count.max == kNoMaxLength;
  // Copies that stand one behind another; without a limit the last of them may be repeated.
  const int64_t copies = unlimited ? std::max<int64_t>(count.min, 1) : count.max;
  if (copies * (last_state - first_state) > static_cast<int64_t>(kMaxRegexStates)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "byte ", pos_, ": ", copies, " repetitions of an expression of ", last_state - first_state,
        " states; at most ", kMaxRegexStates, " states are accepted"));
  }
  Fragment all;
  GANTRY_ASSIGN_OR_RETURN(all.start, nfa_.AddState());
  GANTRY_ASSIGN_OR_RETURN(all.end, nfa_.AddState());
  int at = all.start;
  for (int64_t i = 0; i < copies; ++i) {
    if (i >= count.min) Connect(at, all.end);
    Fragment copy = once;
    if (i + 1 < copies) {
      GANTRY_ASSIGN_OR_RETURN(copy, CopyStates(once, first_state, last_state));
    }
    Connect(at, copy.start);
    if (unlimited && i + 1 == copies) Connect(copy.end, copy.start);
    at = copy.end;
  }
  Connect(at, all.end);
  return all;
}

absl::StatusOr<RegexParser::Fragment> RegexParser::CopyStates(const Fragment& fragment, int first,
                                                              int last) {
  const int offset = static_cast<int>(nfa_.states.size()) - first;
  for (int i = first; i < last; ++i) {
    GANTRY_ASSIGN_OR_RETURN(const int copy, nfa_.AddState());
    CharacterNfa::State state = nfa_.states[i];
    for (CharacterNfa::Edge& edge : state.edges) edge.target += offset;
    for (int& target : state.empty_edges) target += offset;
    nfa_.states[copy] = std::move(state);
  }
  return Fragment{fragment.start + offset, fragment.end + offset};
}

}  // namespace

absl::StatusOr<CharacterNfa> ParseRegex(absl::string_view text, RegexMatch match) {
  if (text.size() > kMaxRegexBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an expression of ", text.size(), " bytes, at most ", kMaxRegexBytes, " are accepted"));
  }
  if (!IsValidUtf8(text)) return absl::InvalidArgumentError("expected UTF-8");
  return RegexParser(text, match).Parse();
}

}  // namespace gantry
