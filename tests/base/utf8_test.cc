#include "base/utf8.h"

#include <vector>

#include "gtest/gtest.h"

namespace gantry {
namespace {

const char kReplacement[] = "\xef\xbf\xbd";

std::string Repeat(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += kReplacement;
  return text;
}

TEST(Utf8Test, EveryCharacterRoundTrips) {
  for (char32_t c = 0; c <= 0x10ffff; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    std::string text;
    AppendUtf8(c, &text);
    ASSERT_TRUE(IsValidUtf8(text)) << static_cast<uint32_t>(c);
    size_t pos = 0;
    ASSERT_EQ(NextChar(text, &pos), c);
    ASSERT_EQ(pos, text.size());
    for (size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_EQ(CompleteUtf8Prefix(absl::string_view(text).substr(0, cut)), 0);
    }
    ASSERT_EQ(CompleteUtf8Prefix(text), text.size());
  }
}

struct IllFormed {
  std::string text;
  std::string replaced;  // by Python's bytes.decode("utf-8", "replace")
};

TEST(Utf8Test, IllFormedText) {
  const IllFormed cases[] = {
      {"\x80", Repeat(1)},
      {"\xff\xfe", Repeat(2)},
      {"\xc0\x80", Repeat(2)},  // over-long
      {"\xc1\xbf", Repeat(2)},
      {"\xe0\x80\x80", Repeat(3)},  // over-long
      {"\xe0\x9f\xbf", Repeat(3)},
      {"\xf0\x80\x80\x80", Repeat(4)},  // over-long
      {"\xed\xa0\x80", Repeat(3)},      // a surrogate
      {"\xf4\x90\x80\x80", Repeat(4)},  // beyond U+10FFFF
      {"\xf5\x80\x80\x80", Repeat(4)},
      {"\xe2\x82", Repeat(1)},  // cut short
      {"\xf0\x9f\x98", Repeat(1)},
      {"\xe2\x82"
       "a",
       Repeat(1) + "a"},
      {"\xf0\x9f\x98\xc3\xa9", Repeat(1) + "\xc3\xa9"},
      {"a\xe2\xe2\x82\xac", "a" + Repeat(1) + "\xe2\x82\xac"},
  };
  for (const IllFormed& bad : cases) {
    EXPECT_FALSE(IsValidUtf8(bad.text));
    EXPECT_EQ(ReplaceInvalidUtf8(bad.text), bad.replaced);
    std::string by_char;
    for (size_t pos = 0; pos < bad.text.size();) AppendUtf8(NextChar(bad.text, &pos), &by_char);
    EXPECT_EQ(by_char, bad.replaced);
  }
}

TEST(Utf8Test, CompletePrefix) {
  EXPECT_EQ(CompleteUtf8Prefix(""), 0);
  EXPECT_EQ(CompleteUtf8Prefix("abc"), 3);
  EXPECT_EQ(CompleteUtf8Prefix("ab\xe2\x82"), 2);
  EXPECT_EQ(CompleteUtf8Prefix("ab\xe2\x82\xac"), 5);
  EXPECT_EQ(CompleteUtf8Prefix("\xf0\x9f\x98\x80\xf0\x9f\x98"), 4);
  // What can never become a character is not waited for.
  EXPECT_EQ(CompleteUtf8Prefix("ab\xff"), 3);
  EXPECT_EQ(CompleteUtf8Prefix("ab\x80\x80"), 4);
  EXPECT_EQ(CompleteUtf8Prefix("a\xed\xa0"), 3);
  EXPECT_EQ(CompleteUtf8Prefix("\xe2\x82"
                               "a\xc3"),
            3);
}

// A stream that is cut anywhere and passed on by complete prefixes loses nothing.
TEST(Utf8Test, PrefixesOfAStreamAddUp) {
  const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\xff\xe2\x82 \xed\xa0\x80!";
  for (size_t step = 1; step <= 5; ++step) {
    std::string held, out;
    for (size_t i = 0; i < text.size(); i += step) {
      held += text.substr(i, step);
      const size_t complete = CompleteUtf8Prefix(held);
      out += ReplaceInvalidUtf8(held.substr(0, complete));
      held.erase(0, complete);
    }
    EXPECT_EQ(out + ReplaceInvalidUtf8(held), ReplaceInvalidUtf8(text)) << step;
  }
}

}  // namespace
}  // namespace gantry
