#ifndef GANTRY_MODEL_TEXT_PATTERN_H_
#define GANTRY_MODEL_TEXT_PATTERN_H_

#include <chrono>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"

namespace gantry {

// A literal string or a regular expression to look for. Immutable and thread-safe.
class Pattern {
 public:
  // {"String": ...} or {"Regex": ...}, an expression in the syntax of Oniguruma, which the
  // `tokenizers` library uses. INVALID_ARGUMENT for one that does not compile, UNIMPLEMENTED for
  // syntax that means something else here.
  static absl::StatusOr<Pattern> Parse(const Json& json);
  static absl::StatusOr<Pattern> Regex(absl::string_view expression);
  static Pattern Literal(std::string text);

  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  // Memory and time for matching, for one thread and one text, which may be in pieces. Making it
  // costs more than matching a short text.
  class Scratch {
   public:
    explicit Scratch(std::chrono::milliseconds max_time = std::chrono::seconds(10));
    ~Scratch();

   private:
    friend class Pattern;
    struct Memory;
    std::chrono::steady_clock::time_point deadline_;
    std::unique_ptr<Memory> memory_;  // made when an expression first needs it
  };

  // Calls `visit` with the byte range of every match in order; matches do not overlap, but may be
  // empty. An empty literal has no matches. RESOURCE_EXHAUSTED when an expression backtracks
  // beyond a limit or takes more time than `scratch` has. `text` is well-formed UTF-8.
  absl::Status FindAll(absl::string_view text, Scratch* scratch,
                       absl::FunctionRef<absl::Status(size_t begin, size_t end)> visit) const;

  // The text to look for, or null for an expression.
  const std::string* literal() const { return code_ == nullptr ? &literal_ : nullptr; }

 private:
  struct Code;  // a compiled expression

  Pattern();
  std::string literal_;
  std::unique_ptr<Code> code_;
};

// `text` with every match of `pattern` replaced by `content`. RESOURCE_EXHAUSTED when that makes
// more than kMaxExpandedBytes.
absl::StatusOr<std::string> ReplaceAll(const Pattern& pattern, absl::string_view text,
                                       absl::string_view content);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_PATTERN_H_
