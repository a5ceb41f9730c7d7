#include "model/text/jinja/lexer.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/jinja/string_literal.h"

namespace gantry::jinja {
namespace {

bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }
bool IsNameStart(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80) != 0;
}
bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// "\n" for every line end, and none at the end of the template.
std::string NormalizeNewlines(absl::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out.push_back('\n');
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out.push_back(source[i]);
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

}  // namespace

absl::Status SyntaxError(absl::string_view message, int line, int column) {
  return absl::InvalidArgumentError(
      absl::StrCat("line ", line, ", column ", column, ": ", message));
}

Lexer::Lexer(absl::string_view source) : source_(NormalizeNewlines(source)) {}

absl::StatusOr<Token> Lexer::Next() {
  while (ready_.empty()) {
    if (pos_ >= source_.size()) {
      if (mode_ != Mode::kData) return Fail("the template ends within a tag", pos_);
      Push(Token::Kind::kEnd, "", pos_);
    } else if (mode_ == Mode::kData) {
      GANTRY_RETURN_IF_ERROR(ReadData());
    } else {
      GANTRY_RETURN_IF_ERROR(ReadTag());
    }
  }
  Token token = std::move(ready_.back());
  ready_.pop_back();
  return token;
}

void Lexer::SetPosition(size_t at, Token* token) {
  at = std::min(at, source_.size());
  for (; counted_ < at; ++counted_) {
    if (source_[counted_] == '\n') {
      ++line_;
      line_begin_ = counted_ + 1;
    }
  }
  token->line = line_;
  token->column = static_cast<int>(at - std::min(at, line_begin_)) + 1;
}

absl::Status Lexer::Fail(absl::string_view message, size_t at) {
  Token token;
  SetPosition(at, &token);
  return SyntaxError(message, token.line, token.column);
}

void Lexer::Push(Token::Kind kind, std::string text, size_t at) {
  Token token;
  token.kind = kind;
  token.text = std::move(text);
  SetPosition(at, &token);
  ready_.insert(ready_.begin(), std::move(token));
}

void Lexer::PushData(size_t begin, size_t end, char sign, bool lstrip) {
  const bool at_line_start = begin == 0 || source_[begin - 1] == '\n';
  if (sign == '-') {
    while (end > begin && IsSpace(source_[end - 1])) --end;
  } else if (sign != '+' && lstrip) {
    size_t start = end;
    while (start > begin && source_[start - 1] != '\n' && IsSpace(source_[start - 1])) --start;
    if (start > begin ? source_[start - 1] == '\n' : at_line_start) end = start;
  }
  if (end > begin) Push(Token::Kind::kData, source_.substr(begin, end - begin), begin);
}

absl::Status Lexer::ReadData() {
  const size_t begin = pos_;
  size_t tag = begin;
  while (true) {
    tag = source_.find('{', tag);
    if (tag == std::string::npos || tag + 1 >= source_.size()) {
      pos_ = source_.size();
      PushData(begin, pos_, '+', false);
      return absl::OkStatus();
    }
    const char next = source_[tag + 1];
    if (next == '{' || next == '%' || next == '#') break;
    ++tag;
  }
  const char type = source_[tag + 1];
  pos_ = tag + 2;
  char sign = 0;
  if (pos_ < source_.size() && (source_[pos_] == '-' || source_[pos_] == '+')) {
    sign = source_[pos_++];
  }
  PushData(begin, tag, sign, type != '{');
  if (type == '#') return SkipComment();
  if (type == '{') {
    mode_ = Mode::kVariable;
    Push(Token::Kind::kVariableBegin, "{{", tag);
    return absl::OkStatus();
  }
  size_t word = pos_;
  while (word < source_.size() && IsSpace(source_[word])) ++word;
  if (At(word, "raw")) {
    word += 3;
    while (word < source_.size() && IsSpace(source_[word])) ++word;
    if (At(word, "%}")) return ReadRaw(word + 2);
    if (At(word, "-%}")) {
      word += 3;
      while (word < source_.size() && IsSpace(source_[word])) ++word;
      return ReadRaw(word);
    }
  }
  mode_ = Mode::kBlock;
  Push(Token::Kind::kBlockBegin, "{%", tag);
  return absl::OkStatus();
}

absl::Status Lexer::SkipComment() {
  const size_t end = source_.find("#}", pos_);
  if (end == std::string::npos) return Fail("a comment is not closed: expected \"#}\"", pos_);
  const char sign = end > pos_ ? source_[end - 1] : ' ';
  pos_ = end + 2;
  if (sign == '-') {
    SkipSpace();
  } else if (sign != '+' && At(pos_, "\n")) {
    ++pos_;
  }
  return absl::OkStatus();
}

absl::Status Lexer::ReadRaw(size_t body) {
  for (size_t tag = source_.find("{%", body); tag != std::string::npos;
       tag = source_.find("{%", tag + 2)) {
    size_t word = tag + 2;
    char sign = 0;
    if (word < source_.size() && (source_[word] == '-' || source_[word] == '+')) {
      sign = source_[word++];
    }
    while (word < source_.size() && IsSpace(source_[word])) ++word;
    if (!At(word, "endraw")) continue;
    word += 6;
    while (word < source_.size() && IsSpace(source_[word])) ++word;
    const bool plus = At(word, "+%}");
    const bool minus = At(word, "-%}");
    if (!plus && !minus && !At(word, "%}")) continue;
    PushData(body, tag, sign, true);
    pos_ = word + (plus || minus ? 3 : 2);
    if (minus) {
      SkipSpace();
    } else if (!plus && At(pos_, "\n")) {
      ++pos_;
    }
    return absl::OkStatus();
  }
  return Fail("a raw block is not closed: expected {% endraw %}", pos_);
}

void Lexer::SkipSpace() {
  while (pos_ < source_.size() && IsSpace(source_[pos_])) ++pos_;
}

bool Lexer::ReadTagEnd() {
  if (!open_brackets_.empty()) return false;
  const bool block = mode_ == Mode::kBlock;
  const absl::string_view close = block ? "%}" : "}}";
  const size_t at = pos_;
  const char sign = source_[pos_] == '-' || (block && source_[pos_] == '+') ? source_[pos_] : 0;
  if (!At(pos_ + (sign != 0), close)) return false;
  pos_ += close.size() + (sign != 0);
  if (sign == '-') {
    SkipSpace();
  } else if (block && sign != '+' && At(pos_, "\n")) {
    ++pos_;
  }
  mode_ = Mode::kData;
  Push(block ? Token::Kind::kBlockEnd : Token::Kind::kVariableEnd, std::string(close), at);
  return true;
}

absl::Status Lexer::ReadTag() {
  SkipSpace();
  if (pos_ >= source_.size()) return absl::OkStatus();
  if (ReadTagEnd()) return absl::OkStatus();
  const char c = source_[pos_];
  if (IsDigit(c)) return ReadNumber();
  if (c == '\'' || c == '"') return ReadString();
  if (!IsNameStart(c)) return ReadOperator();
  const size_t begin = pos_;
  while (pos_ < source_.size() && (IsNameStart(source_[pos_]) || IsDigit(source_[pos_]))) ++pos_;
  Push(Token::Kind::kName, source_.substr(begin, pos_ - begin), begin);
  return absl::OkStatus();
}

absl::Status Lexer::ReadString() {
  const size_t begin = pos_;
  const char quote = source_[pos_++];
  while (pos_ < source_.size() && source_[pos_] != quote) pos_ += source_[pos_] == '\\' ? 2 : 1;
  if (pos_ >= source_.size()) return Fail("a string is not closed", begin);
  absl::StatusOr<std::string> text =
      DecodeStringLiteral(absl::string_view(source_).substr(begin + 1, pos_ - begin - 1));
  if (!text.ok()) return Fail(text.status().message(), begin);
  ++pos_;
  Push(Token::Kind::kString, *std::move(text), begin);
  return absl::OkStatus();
}

absl::Status Lexer::ReadNumber() {
  const size_t begin = pos_;
  auto digits = [this] {
    while (pos_ < source_.size() &&
           (IsDigit(source_[pos_]) || (source_[pos_] == '_' && IsDigit(source_[pos_ - 1]) &&
                                       pos_ + 1 < source_.size() && IsDigit(source_[pos_ + 1])))) {
      ++pos_;
    }
  };
  auto digit_at = [this](size_t at) { return at < source_.size() && IsDigit(source_[at]); };
  if (source_[pos_] == '0' && pos_ + 1 < source_.size() && absl::ascii_isalpha(source_[pos_ + 1])) {
    return ReadPrefixedInteger();
  }
  digits();
  // "a.0.1" are two lookups and no number.
  const bool may_be_float = begin == 0 || source_[begin - 1] != '.';
  bool is_float = false;
  if (may_be_float && At(pos_, ".") && digit_at(pos_ + 1)) {
    is_float = true;
    ++pos_;
    digits();
  }
  if (may_be_float && pos_ < source_.size() && (source_[pos_] | 0x20) == 'e') {
    const bool sign = At(pos_ + 1, "+") || At(pos_ + 1, "-");
    if (digit_at(pos_ + 1 + sign)) {
      is_float = true;
      pos_ += 1 + sign;
      digits();
    }
  }
  std::string literal = source_.substr(begin, pos_ - begin);
  literal.erase(std::remove(literal.begin(), literal.end(), '_'), literal.end());
  Push(is_float ? Token::Kind::kFloat : Token::Kind::kInteger, literal, begin);
  Token& token = ready_.front();
  if (is_float) {
    if (!absl::SimpleAtod(literal, &token.number)) return Fail("a number out of range", begin);
  } else if (literal[0] == '0' && literal.find_first_not_of('0') != std::string::npos) {
    return Fail("an integer that begins with 0", begin);
  } else if (!absl::SimpleAtoi(literal, &token.integer)) {
    return Fail(absl::StrCat("the integer ", literal.substr(0, 40), " does not fit 64 bits"),
                begin);
  }
  return absl::OkStatus();
}

// 0x1F, 0o17, 0b11
absl::Status Lexer::ReadPrefixedInteger() {
  const size_t begin = pos_;
  const char prefix = absl::ascii_tolower(static_cast<unsigned char>(source_[pos_ + 1]));
  const int base = prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 0;
  std::string digits;
  for (pos_ += 2; pos_ < source_.size(); ++pos_) {
    const char c = source_[pos_];
    if (c != '_' && !absl::ascii_isxdigit(static_cast<unsigned char>(c))) break;
    if (c != '_') digits.push_back(c);
  }
  errno = 0;
  char* end = nullptr;
  const int64_t value = base == 0 ? 0 : std::strtoll(digits.c_str(), &end, base);
  if (base == 0 || digits.empty() || errno != 0 || *end != '\0') {
    return Fail("a malformed integer, or one beyond 64 bits", begin);
  }
  Push(Token::Kind::kInteger, source_.substr(begin, pos_ - begin), begin);
  ready_.front().integer = value;
  return absl::OkStatus();
}

absl::Status Lexer::ReadOperator() {
  static constexpr absl::string_view kTwo[] = {"==", "!=", ">=", "<=", "//", "**"};
  static constexpr absl::string_view kOne = "+-/*%~[](){}><=.:|,;";
  const size_t begin = pos_;
  for (absl::string_view two : kTwo) {
    if (At(pos_, two)) {
      pos_ += 2;
      Push(Token::Kind::kOperator, std::string(two), begin);
      return absl::OkStatus();
    }
  }
  const char c = source_[pos_];
  if (kOne.find(c) == absl::string_view::npos) {
    return Fail(absl::StrCat("unexpected character '", std::string(1, c), "'"), begin);
  }
  if (c == '(' || c == '[' || c == '{') {
    open_brackets_.push_back(c);
  } else if (c == ')' || c == ']' || c == '}') {
    const char open = c == ')' ? '(' : c == ']' ? '[' : '{';
    if (open_brackets_.empty() || open_brackets_.back() != open) {
      return Fail(absl::StrCat("unexpected '", std::string(1, c), "'"), begin);
    }
    open_brackets_.pop_back();
  }
  ++pos_;
  Push(Token::Kind::kOperator, std::string(1, c), begin);
  return absl::OkStatus();
}

}  // namespace gantry::jinja
