#include "model/text/oniguruma_syntax.h"

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace gantry {
namespace {

// PCRE2's \w has neither marks nor connectors.
constexpr char kWord[] = "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}";

absl::Status Refuse(absl::string_view expression, absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat("regular expression \"",
                                               absl::CHexEscape(expression.substr(0, 200)),
                                               "\": ", what, " is not supported"));
}

// Whether "(?" and options with an m, which is Ruby's name for PCRE2's s, stand at the front.
bool SetsOptionM(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "(?")) return false;
  for (const char c : text) {
    if (c == 'm') return true;
    if (c != 'i' && c != 'x' && c != '-') return false;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::string> FromOniguruma(absl::string_view expression) {
  std::string out;
  bool in_class = false;
  size_t class_begin = 0;  // position of the first member, where ] is an ordinary character
  for (size_t i = 0; i < expression.size(); ++i) {
    const absl::string_view rest = expression.substr(i);
    if (rest[0] == '\\' && rest.size() > 1) {
      ++i;
      switch (rest[1]) {
        case 's':
          absl::StrAppend(&out, "\\p{White_Space}");
          break;
        case 'S':
          absl::StrAppend(&out, "\\P{White_Space}");
          break;
        case 'w':
          absl::StrAppend(&out, in_class ? "" : "[", kWord, in_class ? "" : "]");
          break;
        case 'W':
          if (in_class) return Refuse(expression, "\\W in a class");
          absl::StrAppend(&out, "[^", kWord, "]");
          break;
        case 'h':
        case 'H':
        case 'Q':
          return Refuse(expression, rest.substr(0, 2));
        default:
          out.append(rest.data(), 2);
      }
    } else if (!in_class) {
      if (SetsOptionM(rest)) return Refuse(expression, "the option m");
      out.push_back(rest[0]);
      if (rest[0] == '[') {
        in_class = true;
        if (rest.size() > 1 && rest[1] == '^') {
          out.push_back('^');
          ++i;
        }
        class_begin = i + 1;
      }
    } else {
      if (absl::StartsWith(rest, "&&")) return Refuse(expression, "a class intersection");
      if (rest[0] == '[') {
        const size_t close = absl::StartsWith(rest, "[:") ? rest.find(":]") : rest.npos;
        if (close == rest.npos) return Refuse(expression, "a class in a class");
        out.append(rest.data(), close + 2);
        i += close + 1;
        continue;
      }
      out.push_back(rest[0]);
      if (rest[0] == ']' && i != class_begin) in_class = false;
    }
  }
  return out;
}

}  // namespace gantry
