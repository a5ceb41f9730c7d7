#include "model/text/pattern.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/text/limits.h"
#include "model/text/oniguruma_syntax.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace gantry {
namespace {

constexpr size_t kMaxExpressionBytes = 16 << 10;
// Steps of backtracking for one place where a match may begin: twice the longest text, for
// expressions of published tokenizers go back through a run of white space once.
constexpr uint32_t kMatchLimit = 2 * kMaxTextBytes;
constexpr uint32_t kHeapLimitKiB = 64 << 10;  // without just-in-time compilation
constexpr size_t kJitStackBytes = 32 << 20;
// The limit is counted anew at each place, so an expression may come near it at every byte of a
// text. Few places are tried at once, and the time is looked at between them.
constexpr size_t kPlacesAtOnce = 16;
constexpr int kMatchesAtOnce = 32;

struct FreeContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
template <typename T>
using Owned = std::unique_ptr<T, FreeContext>;

std::string Describe(int error) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(error, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

PCRE2_SPTR Units(absl::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

struct Pattern::Code {
  std::string expression;
  Owned<pcre2_code> code;
};

struct Pattern::Scratch::Memory {
  Memory()
      : context(pcre2_match_context_create(nullptr)),
        data(pcre2_match_data_create(1, nullptr)),
        stack(pcre2_jit_stack_create(32 << 10, kJitStackBytes, nullptr)) {
    if (context == nullptr) return;
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_heap_limit(context.get(), kHeapLimitKiB);
    if (stack != nullptr) pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }

  Owned<pcre2_match_context> context;
  Owned<pcre2_match_data> data;
  Owned<pcre2_jit_stack> stack;
};

Pattern::Scratch::Scratch(std::chrono::milliseconds max_time)
    : deadline_(std::chrono::steady_clock::now() + max_time) {}
Pattern::Scratch::~Scratch() = default;

Pattern::Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

Pattern Pattern::Literal(std::string text) {
  Pattern pattern;
  pattern.literal_ = std::move(text);
  return pattern;
}

absl::StatusOr<Pattern> Pattern::Regex(absl::string_view expression) {
  if (expression.size() > kMaxExpressionBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("regular expression of ", expression.size(),
                                                     " bytes, at most ", kMaxExpressionBytes,
                                                     " are allowed"));
  }
  GANTRY_ASSIGN_OR_RETURN(const std::string source, FromOniguruma(expression));
  const Owned<pcre2_compile_context> context(pcre2_compile_context_create(nullptr));
  pcre2_set_parens_nest_limit(context.get(), 50);
  // In Oniguruma's Ruby syntax ^ and $ are of a line. \C could match half a character.
  const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C |
                           PCRE2_NO_UTF_CHECK | PCRE2_USE_OFFSET_LIMIT;
  int error = 0;
  PCRE2_SIZE offset = 0;
  Owned<pcre2_code> code(
      pcre2_compile(Units(source), source.size(), options, &error, &offset, context.get()));
  if (code == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("regular expression \"",
                                                   absl::CHexEscape(expression.substr(0, 200)),
                                                   "\": byte ", offset, ": ", Describe(error)));
  }
  // Where this fails the interpreter does the same, slower.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  Pattern pattern;
  pattern.code_ = std::make_unique<Code>(Code{std::string(expression), std::move(code)});
  return pattern;
}

absl::StatusOr<Pattern> Pattern::Parse(const Json& json) {
  if (json.is_string()) return Literal(json.get<std::string>());
  if (json.is_object() && json.size() == 1) {
    if (FindMember(json, "String") != nullptr) {
      GANTRY_ASSIGN_OR_RETURN(std::string text, GetString(json, "String"));
      return Literal(std::move(text));
    }
    if (FindMember(json, "Regex") != nullptr) {
      GANTRY_ASSIGN_OR_RETURN(const std::string expression, GetString(json, "Regex"));
      return Regex(expression);
    }
  }
  return absl::InvalidArgumentError("pattern: expected {\"String\": TEXT} or {\"Regex\": TEXT}");
}

absl::Status Pattern::FindAll(
    absl::string_view text, Scratch* scratch,
    absl::FunctionRef<absl::Status(size_t begin, size_t end)> visit) const {
  if (code_ == nullptr) {
    if (literal_.empty()) return absl::OkStatus();
    for (size_t pos = text.find(literal_); pos != absl::string_view::npos;
         pos = text.find(literal_, pos + literal_.size())) {
      GANTRY_RETURN_IF_ERROR(visit(pos, pos + literal_.size()));
    }
    return absl::OkStatus();
  }
  const pcre2_code* code = code_->code.get();
  if (scratch->memory_ == nullptr) scratch->memory_ = std::make_unique<Scratch::Memory>();
  pcre2_match_context* context = scratch->memory_->context.get();
  pcre2_match_data* data = scratch->memory_->data.get();
  if (context == nullptr || data == nullptr) {
    return absl::ResourceExhaustedError("no memory to match a regular expression");
  }

  size_t last_end = absl::string_view::npos;
  int until_clock = kMatchesAtOnce;
  for (size_t pos = 0; pos <= text.size();) {
    if (--until_clock <= 0) {
      until_clock = kMatchesAtOnce;
      if (std::chrono::steady_clock::now() > scratch->deadline_) {
        return absl::ResourceExhaustedError(absl::StrCat(
            "regular expression \"", absl::CHexEscape(code_->expression.substr(0, 200)),
            "\" takes too long: at byte ", pos, " of a text of ", text.size(), " bytes"));
      }
    }
    const size_t limit = std::min(text.size(), pos + kPlacesAtOnce);
    pcre2_set_offset_limit(context, limit);
    // The text was checked once; without this flag every match would check all of it again.
    const int result =
        pcre2_match(code, Units(text), text.size(), pos, PCRE2_NO_UTF_CHECK, data, context);
    if (result == PCRE2_ERROR_NOMATCH) {
      pos = limit + 1;
      while (pos < text.size() && (static_cast<unsigned char>(text[pos]) & 0xc0) == 0x80) ++pos;
      until_clock = 0;
      continue;
    }
    if (result < 0) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "regular expression \"", absl::CHexEscape(code_->expression.substr(0, 200)),
          "\" at byte ", pos, " of a text of ", text.size(), " bytes: ", Describe(result)));
    }
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data);
    const size_t begin = range[0];
    const size_t end = range[1];
    // \K in a look-around can make a match begin before its search or after its end.
    if (begin < pos || end < begin || end > text.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("regular expression \"", absl::CHexEscape(code_->expression.substr(0, 200)),
                       "\" has a match that ends before it begins"));
    }
    if (begin != end || begin != last_end) GANTRY_RETURN_IF_ERROR(visit(begin, end));
    last_end = end;
    pos = end;
    if (begin == end) {
      if (pos >= text.size()) break;
      NextChar(text, &pos);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReplaceAll(const Pattern& pattern, absl::string_view text,
                                       absl::string_view content) {
  std::string out;
  Pattern::Scratch scratch;
  size_t done = 0;
  const auto append = [&out](absl::string_view part) {
    if (part.size() > kMaxExpandedBytes - out.size()) {
      return absl::ResourceExhaustedError(
          absl::StrCat("text becomes longer than ", kMaxExpandedBytes, " bytes"));
    }
    out.append(part.data(), part.size());
    return absl::OkStatus();
  };
  GANTRY_RETURN_IF_ERROR(pattern.FindAll(text, &scratch, [&](size_t begin, size_t end) {
    GANTRY_RETURN_IF_ERROR(append(text.substr(done, begin - done)));
    done = end;
    return append(content);
  }));
  GANTRY_RETURN_IF_ERROR(append(text.substr(done)));
  return out;
}

}  // namespace gantry
