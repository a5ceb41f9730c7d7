#include "model/text/normalizer.h"

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/text/charsmap.h"
#include "model/text/limits.h"
#include "tests/model/text/fixtures.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

// The text that comes of `parts`, of which a user typed those at odd places, with what is a user's
// in brackets.
std::string Normalized(const Json& config, const std::vector<std::string>& parts) {
  absl::StatusOr<Normalizer> normalizer = Normalizer::Parse(&config);
  EXPECT_THAT(normalizer, IsOk());
  if (!normalizer.ok()) return "";
  absl::StatusOr<FlaggedText> text = normalizer->Apply(FlaggedText::From(Mark(parts)));
  EXPECT_THAT(text, IsOk());
  if (!text.ok()) return "";
  std::string out;
  bool in_user = false;
  for (size_t i = 0; i <= text->text.size(); ++i) {
    const bool is_user = i < text->text.size() && text->IsUser(i);
    if (is_user != in_user) out += is_user ? "[" : "]";
    in_user = is_user;
    if (i < text->text.size()) out += text->text[i];
  }
  return out;
}

Json Kind(const char* kind) { return {{"type", kind}}; }

TEST(NormalizerTest, KeepsMarks) {
  EXPECT_EQ(Normalized(Kind("Lowercase"), {"AB", "CİD", "E"}), "ab[ci̇d]e");
  EXPECT_EQ(Normalized(Kind("StripAccents"), {"a\u0301", "b\u0301", "c"}), "a[b]c");
  EXPECT_EQ(Normalized(Kind("Nmt"), {"a\t", "b\n\x07", "c"}), "a [b ]c");
  EXPECT_EQ(Normalized(Kind("Strip"), {" a", "b ", " "}), "a[b]");
  EXPECT_EQ(Normalized(Kind("ByteLevel"), {"é", " x", "."}), "Ã©[Ġx].");
  EXPECT_EQ(Normalized(Kind("BertNormalizer"), {"É中", "Ö文\x07", "\tZ"}), "e 中 [o 文 ] z");
  EXPECT_EQ(Normalized(Kind("NFKC"), {"ﬁ ", "ﬁ", " ﬁ"}), "fi [fi] fi");
  EXPECT_EQ(Normalized(Kind("NFD"), {"é x", "y é"}), "e\u0301 x[y e\u0301]");
}

// Of "e" and the mark comes one character; "b" stays.
TEST(NormalizerTest, WhatJoinsAUsersTextIsAUsers) {
  EXPECT_EQ(Normalized(Kind("NFC"), {"ab", "\u0301c"}), "ab[\u0301c]");
  EXPECT_EQ(Normalized(Kind("NFC"), {"ae", "\u0301c"}), "a[éc]");
}

TEST(NormalizerTest, StripsOneEnd) {
  EXPECT_EQ(Normalized({{"type", "Strip"}, {"strip_left", false}}, {" a "}), " a");
  EXPECT_EQ(Normalized({{"type", "Strip"}, {"strip_right", false}}, {" a "}), "a ");
  EXPECT_EQ(Normalized(Kind("Strip"), {"  "}), "");
}

// A trie of "a" -> "xy", by hand: the root's children at 0x100, the leaf behind 'a' at 0x200.
std::string SmallCharsmap() {
  std::vector<uint32_t> units(0x300);
  units[0] = 0x100 << 10;
  units[0x100 ^ 'a'] = 'a' | 1 << 8 | (0x100 ^ 'a' ^ 0x200) << 10;
  units[0x200] = 0x80000000u | 1;
  std::string bytes;
  for (const uint32_t value : {static_cast<uint32_t>(units.size() * 4)}) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i));
  }
  for (const uint32_t unit : units) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(unit >> (8 * i));
  }
  return bytes + std::string("\0xy\0", 4);
}

TEST(CharsmapTest, ReplacesByTheTrie) {
  const Json config = {{"type", "Precompiled"},
                       {"precompiled_charsmap", absl::Base64Escape(SmallCharsmap())}};
  EXPECT_EQ(Normalized(config, {"ba", "ac"}), "bxy[xyc]");
  // A cluster that begins with an entry is replaced as a whole.
  EXPECT_EQ(Normalized(config, {"a\u0301b"}), "xyb");
}

TEST(CharsmapTest, RefusesWhatIsNotWellFormed) {
  const std::string good = SmallCharsmap();
  ASSERT_THAT(Charsmap::Parse(good), IsOk());
  for (const std::string& bytes :
       {std::string(), good.substr(0, 3), good.substr(0, 100), std::string(4, '\0') + good,
        std::string("\x05\0\0\0aaaaaaaa", 12), good + "\xff"}) {
    EXPECT_THAT(Charsmap::Parse(bytes),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("precompiled_charsmap")));
  }
  const Json config = {{"type", "Precompiled"}, {"precompiled_charsmap", "?"}};
  EXPECT_THAT(Normalizer::Parse(&config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("base64")));
}

// Units that point behind the trie or the replacements, or into a character.
TEST(CharsmapTest, PointersOutOfTheTableReplaceNothing) {
  for (const auto& [unit, value] :
       std::vector<std::pair<size_t, uint32_t>>{{0, 0x1fffffu << 10},
                                                {0x100 ^ 'a', 'a' | 1 << 8 | 0x1fffffu << 10},
                                                {0x200, 0xffffffff},
                                                {0x200, 0x80000000u | 4}}) {
    std::string bytes = SmallCharsmap();
    for (int i = 0; i < 4; ++i) bytes[4 + 4 * unit + i] = static_cast<char>(value >> (8 * i));
    GANTRY_ASSERT_OK_AND_ASSIGN(const Charsmap map, Charsmap::Parse(bytes));
    GANTRY_ASSERT_OK_AND_ASSIGN(const FlaggedText text,
                                map.Apply(FlaggedText::From(MarkedText("abc"))));
    EXPECT_EQ(text.text, "abc");
  }
}

TEST(CharsmapTest, ALongReplacementEndsInAnError) {
  std::string bytes = SmallCharsmap();
  bytes.pop_back();
  bytes += std::string(1 << 20, 'z');
  GANTRY_ASSERT_OK_AND_ASSIGN(const Charsmap map, Charsmap::Parse(bytes));
  EXPECT_THAT(map.Apply(FlaggedText::From(MarkedText(std::string(1000, 'a')))),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("longer than")));
}

TEST(NormalizerTest, RefusesByName) {
  const Json config = {{"type", "Uppercase"}};
  EXPECT_THAT(Normalizer::Parse(&config),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("Uppercase")));
}

}  // namespace
}  // namespace gantry
