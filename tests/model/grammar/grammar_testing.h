#ifndef GANTRY_TESTS_MODEL_GRAMMAR_GRAMMAR_TESTING_H_
#define GANTRY_TESTS_MODEL_GRAMMAR_GRAMMAR_TESTING_H_

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "model/grammar/grammar.h"
#include "model/grammar/pushdown.h"

namespace gantry {

inline ByteSet AllBytes() { return ByteSet().set(); }

// Whether the whole text is one of the grammar's.
inline bool Accepts(const Grammar& grammar, absl::string_view text) {
  Pushdown pushdown(&grammar);
  Pushdown::StateId state = pushdown.start();
  for (const unsigned char byte : text) {
    state = pushdown.Next(state, byte);
    if (state == Pushdown::kDead) return false;
  }
  return pushdown.MayEnd(state);
}

// The bytes that may follow.
inline std::vector<unsigned char> NextBytes(Pushdown* pushdown, Pushdown::StateId state) {
  std::vector<unsigned char> bytes;
  for (int byte = 0; byte < 256; ++byte) {
    if (pushdown->Next(state, byte) != Pushdown::kDead) bytes.push_back(byte);
  }
  return bytes;
}

// A text of the grammar, by random bytes, every class of which is as likely; beyond `length` bytes
// those are preferred that close strings, numbers and brackets. Null where it did not end within
// 100 * `length`. Fails the test where nothing may follow and the text may not end.
inline std::optional<std::string> RandomText(const Grammar& grammar, size_t length,
                                             std::mt19937* random) {
  Pushdown pushdown(&grammar);
  Pushdown::StateId state = pushdown.start();
  std::string text;
  while (text.size() < 100 * length) {
    const std::vector<unsigned char> bytes = NextBytes(&pushdown, state);
    const bool may_end = pushdown.MayEnd(state);
    if (may_end && (bytes.empty() || text.size() > length || (*random)() % 4 == 0)) return text;
    EXPECT_FALSE(bytes.empty()) << "a dead end behind " << text;
    if (bytes.empty()) return std::nullopt;
    std::vector<std::vector<unsigned char>> classes(grammar.byte_classes());
    for (const unsigned char byte : bytes) classes[grammar.byte_class(byte)].push_back(byte);
    std::erase_if(classes, [](const auto& of) { return of.empty(); });
    const auto& of = classes[(*random)() % classes.size()];
    unsigned char byte = of[(*random)() % of.size()];
    for (const unsigned char closing : {'"', '}', ']', 'n', 'u', 'l', '0', '1'}) {
      if (text.size() <= length || (*random)() % 4 == 0) continue;
      if (pushdown.Next(state, closing) != Pushdown::kDead) byte = closing;
    }
    state = pushdown.Next(state, byte);
    text.push_back(static_cast<char>(byte));
  }
  return std::nullopt;
}

}  // namespace gantry

#endif  // GANTRY_TESTS_MODEL_GRAMMAR_GRAMMAR_TESTING_H_
