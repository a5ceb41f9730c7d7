#ifndef GANTRY_MODEL_TEXT_JINJA_STRING_OPS_H_
#define GANTRY_MODEL_TEXT_JINJA_STRING_OPS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/text/jinja/runtime.h"

namespace gantry::jinja {

// Python's str methods, which keep the marks of what they move. A null `chars` or `separator` is
// whitespace.
enum class Side { kLeft, kRight, kBoth };
absl::StatusOr<TextPtr> Strip(Runtime& runtime, const TextPtr& text, const Text* chars, Side side);
// A negative `max` is no limit.
absl::StatusOr<std::vector<Value>> Split(Runtime& runtime, const TextPtr& text,
                                         const Text* separator, int64_t max);
absl::StatusOr<std::vector<Value>> RSplit(Runtime& runtime, const TextPtr& text,
                                          const Text* separator, int64_t max);
absl::StatusOr<std::vector<Value>> SplitLines(Runtime& runtime, const TextPtr& text,
                                              bool keep_ends);
absl::StatusOr<TextPtr> Replace(Runtime& runtime, const TextPtr& text, const Text& from,
                                const Text& to, int64_t max);
absl::StatusOr<TextPtr> Join(Runtime& runtime, const Text& separator,
                             const std::vector<TextPtr>& parts);

// kTitle: str.title(); kTitleFilter: Jinja's filter, which breaks words at space and -([{< only.
enum class Case { kUpper, kLower, kTitle, kTitleFilter, kCapitalize, kSwap };
absl::StatusOr<TextPtr> ChangeCase(Runtime& runtime, const Text& text, Case to);

// `text` between `left` and `right` times `fill`.
absl::StatusOr<TextPtr> Pad(Runtime& runtime, const TextPtr& text, int64_t left, int64_t right,
                            const Text& fill);

// Byte offset of the first or last place of `part` within [begin, end), or npos.
size_t FindFirst(const Text& text, const Text& part, size_t begin, size_t end);
size_t FindLast(const Text& text, const Text& part, size_t begin, size_t end);

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_STRING_OPS_H_
