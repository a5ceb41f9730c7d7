#include "model/text/oniguruma_syntax.h"

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

// PCRE2's \w has neither marks nor connectors. Oniguruma's has superscripts and fractions of
// Latin-1, too, but not within brackets.
constexpr char kWord[] = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
constexpr char kWordAlone[] = "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}";

// Scripts by which tokenizers cut. PCRE2 would count punctuation that is used with one as of it.
constexpr absl::string_view kScripts[] = {
    "Arabic",   "Armenian",  "Bengali",   "Bopomofo", "Common",   "Cyrillic", "Devanagari",
    "Ethiopic", "Georgian",  "Greek",     "Gujarati", "Gurmukhi", "Han",      "Hangul",
    "Hebrew",   "Hiragana",  "Inherited", "Kannada",  "Katakana", "Khmer",    "Lao",
    "Latin",    "Malayalam", "Mongolian", "Myanmar",  "Oriya",    "Sinhala",  "Tamil",
    "Telugu",   "Thai",      "Tibetan",
};

// "\\p{Han}" at the front becomes "\\p{sc:Han}"; nothing where there is no script.
bool ConsumeScript(absl::string_view* text, std::string* out) {
  for (const absl::string_view script : kScripts) {
    for (const absl::string_view begin : {"\\p{", "\\P{", "\\p{^"}) {
      absl::string_view rest = *text;
      if (!absl::ConsumePrefix(&rest, begin) || !absl::ConsumePrefix(&rest, script) ||
          !absl::ConsumePrefix(&rest, "}")) {
        continue;
      }
      absl::StrAppend(out, begin, "sc:", script, "}");
      *text = rest;
      return true;
    }
  }
  return false;
}
constexpr int kMaxClassDepth = 16;

// Whether "(?" and options with an m, which is Ruby's name for PCRE2's s, stand at the front.
bool SetsOptionM(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "(?")) return false;
  for (const char c : text) {
    if (c == 'm') return true;
    if (c != 'i' && c != 'x' && c != '-') return false;
  }
  return false;
}

// Members of a class, and what is united with them but cannot stand within brackets.
struct Operand {
  std::string Expression() const {
    std::vector<std::string> alternatives = others;
    if (!members.empty())
      alternatives.insert(alternatives.begin(), absl::StrCat("[", members, "]"));
    return alternatives.size() == 1 ? alternatives[0]
                                    : absl::StrCat("(?:", absl::StrJoin(alternatives, "|"), ")");
  }
  std::string members;
  std::vector<std::string> others;
};

struct Class {
  bool IsSimple() const { return operands.size() == 1 && operands[0].others.empty(); }
  std::string Expression() const {
    if (IsSimple()) return absl::StrCat(negated ? "[^" : "[", operands[0].members, "]");
    std::string all;  // a character of the first operand at which the others match, too
    for (size_t i = 1; i < operands.size(); ++i) {
      absl::StrAppend(&all, "(?=", operands[i].Expression(), ")");
    }
    absl::StrAppend(&all, operands[0].Expression());
    return negated ? absl::StrCat("(?:(?!", all, ")(?s:.))") : absl::StrCat("(?:", all, ")");
  }
  bool negated = false;
  std::vector<Operand> operands = {Operand()};  // of intersections
};

class Translator {
 public:
  explicit Translator(absl::string_view expression) : expression_(expression) {}
  absl::StatusOr<std::string> Translate();

 private:
  absl::string_view rest() const { return expression_.substr(pos_); }
  absl::Status Refuse(absl::string_view what) const {
    return absl::UnimplementedError(absl::StrCat("regular expression \"",
                                                 absl::CHexEscape(expression_.substr(0, 200)),
                                                 "\": ", what, " is not supported"));
  }
  // Reads the escape at the front. \W, outside of brackets, in `*other` if it is not null.
  absl::Status Escape(std::string* out, std::string* other);
  // Reads the class at the front, with its brackets.
  absl::StatusOr<Class> ReadClass(int depth);
  absl::Status ReadNested(int depth, Operand* operand);

  const absl::string_view expression_;
  size_t pos_ = 0;
};

absl::Status Translator::Escape(std::string* out, std::string* other) {
  absl::string_view behind = rest();
  if (ConsumeScript(&behind, out)) {
    pos_ = expression_.size() - behind.size();
    return absl::OkStatus();
  }
  const absl::string_view escape = rest().substr(0, 2);
  pos_ += escape.size();
  const bool in_class = other != nullptr;
  switch (escape.size() == 2 ? escape[1] : '\0') {
    case 's':
      absl::StrAppend(out, "\\p{White_Space}");
      break;
    case 'S':
      absl::StrAppend(out, "\\P{White_Space}");
      break;
    case 'w':
      absl::StrAppend(out, in_class ? "" : "[", kWord, in_class ? "" : kWordAlone,
                      in_class ? "" : "]");
      break;
    case 'W':
      absl::StrAppend(in_class ? other : out, "[^", kWord, in_class ? "" : kWordAlone, "]");
      break;
    case 'h':
    case 'H':
    case 'Q':
      return Refuse(escape);
    default:
      absl::StrAppend(out, escape);
  }
  return absl::OkStatus();
}

absl::Status Translator::ReadNested(int depth, Operand* operand) {
  GANTRY_ASSIGN_OR_RETURN(const Class nested, ReadClass(depth + 1));
  const std::string& members = nested.operands[0].members;
  // Side by side a hyphen at an end would make a range.
  if (nested.IsSimple() && !nested.negated && !absl::EndsWith(operand->members, "-") &&
      !absl::StartsWith(members, "-")) {
    operand->members += members;
  } else {
    operand->others.push_back(nested.Expression());
  }
  return absl::OkStatus();
}

absl::StatusOr<Class> Translator::ReadClass(int depth) {
  if (depth > kMaxClassDepth) return Refuse("a class so deep in others");
  Class result;
  ++pos_;
  if (absl::StartsWith(rest(), "^")) {
    result.negated = true;
    ++pos_;
  }
  for (const size_t first = pos_; pos_ < expression_.size();) {
    Operand& operand = result.operands.back();
    const char c = expression_[pos_];
    if (c == '\\') {
      std::string other;
      GANTRY_RETURN_IF_ERROR(Escape(&operand.members, &other));
      if (!other.empty()) operand.others.push_back(std::move(other));
    } else if (c == ']' && pos_ == first) {
      operand.members += "\\]";
      ++pos_;
    } else if (c == ']' || absl::StartsWith(rest(), "&&")) {
      if (operand.members.empty() && operand.others.empty()) return Refuse("an empty class");
      pos_ += c == ']' ? 1 : 2;
      if (c == ']') return result;
      result.operands.emplace_back();
    } else if (absl::StartsWith(rest(), "[:") && rest().find(":]") != absl::string_view::npos) {
      const absl::string_view named = rest().substr(0, rest().find(":]") + 2);
      // PCRE2's has no symbols but those of ASCII.
      absl::StrAppend(&operand.members, named == "[:punct:]" ? "\\p{P}\\p{S}" : named);
      pos_ += named.size();
    } else if (c == '[') {
      GANTRY_RETURN_IF_ERROR(ReadNested(depth, &operand));
    } else {
      if (c == '^' && operand.members.empty()) operand.members += '\\';
      operand.members += c;
      ++pos_;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("regular expression \"",
                                                 absl::CHexEscape(expression_.substr(0, 200)),
                                                 "\": a class has no end"));
}

absl::StatusOr<std::string> Translator::Translate() {
  std::string out;
  while (pos_ < expression_.size()) {
    if (expression_[pos_] == '\\') {
      GANTRY_RETURN_IF_ERROR(Escape(&out, /*other=*/nullptr));
    } else if (expression_[pos_] == '[') {
      GANTRY_ASSIGN_OR_RETURN(const Class parsed, ReadClass(/*depth=*/1));
      out += parsed.Expression();
    } else {
      if (SetsOptionM(rest())) return Refuse("the option m");
      out += expression_[pos_++];
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<std::string> FromOniguruma(absl::string_view expression) {
  return Translator(expression).Translate();
}

}  // namespace gantry
