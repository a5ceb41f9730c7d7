#ifndef GANTRY_MODEL_TEXT_JINJA_LEXER_H_
#define GANTRY_MODEL_TEXT_JINJA_LEXER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::jinja {

struct Token {
  enum class Kind {
    kEnd,
    kData,           // text outside of tags, whitespace control applied
    kVariableBegin,  // {{
    kVariableEnd,
    kBlockBegin,  // {%
    kBlockEnd,
    kName,
    kString,  // escapes decoded
    kInteger,
    kFloat,
    kOperator,
  };
  Kind kind = Kind::kEnd;
  std::string text;
  int64_t integer = 0;
  double number = 0;
  int line = 1;
  int column = 1;  // in bytes, from 1

  bool Is(Kind k, absl::string_view t) const { return kind == k && text == t; }
  bool IsName(absl::string_view t) const { return Is(Kind::kName, t); }
  bool IsOperator(absl::string_view t) const { return Is(Kind::kOperator, t); }
};

// Cuts a template into tokens as Jinja2 does with trim_blocks and lstrip_blocks, on demand.
class Lexer {
 public:
  explicit Lexer(absl::string_view source);
  // INVALID_ARGUMENT with line and column for text that is no token.
  absl::StatusOr<Token> Next();

 private:
  enum class Mode { kData, kVariable, kBlock };

  absl::Status ReadData();
  absl::Status SkipComment();
  absl::Status ReadRaw(size_t body);
  // The data [begin, end) before a tag that opens with `sign`.
  void PushData(size_t begin, size_t end, char sign, bool lstrip);
  void Push(Token::Kind kind, std::string text, size_t at);
  absl::Status ReadTag();
  bool ReadTagEnd();
  absl::Status ReadString();
  absl::Status ReadNumber();
  absl::Status ReadPrefixedInteger();
  absl::Status ReadOperator();
  void SkipSpace();
  bool At(size_t pos, absl::string_view what) const {
    return source_.compare(pos, what.size(), what.data(), what.size()) == 0;
  }
  absl::Status Fail(absl::string_view message, size_t at);
  void SetPosition(size_t at, Token* token);

  std::string source_;
  size_t pos_ = 0;
  Mode mode_ = Mode::kData;
  std::string open_brackets_;
  std::vector<Token> ready_;  // in reverse
  size_t counted_ = 0;        // newlines of source_[0, counted_) are in line_
  int line_ = 1;
  size_t line_begin_ = 0;
};

// "line 3, column 14: message"
absl::Status SyntaxError(absl::string_view message, int line, int column);

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_LEXER_H_
