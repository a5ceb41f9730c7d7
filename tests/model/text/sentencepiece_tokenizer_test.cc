#include "model/text/sentencepiece_tokenizer.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/text/protobuf_wire.h"
#include "tests/model/text/fixtures.h"
#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kDemoModel[] = GANTRY_SOURCE_DIR "/deploy/demo/model";

std::string DemoModel() {
  absl::StatusOr<std::string> bytes =
      ReadFile(std::string(kDemoModel) + "/tokenizer.model", 1 << 20);
  EXPECT_THAT(bytes, IsOk());
  return bytes.ok() ? *bytes : "";
}

std::unique_ptr<Tokenizer> MustMakeSentencePiece(const std::string& bytes,
                                                 const SentencePieceOptions& options = {}) {
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
      ParseSentencePieceTokenizer(bytes, options, "test");
  EXPECT_THAT(tokenizer, IsOk());
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::vector<int32_t> Encode(const Tokenizer& tokenizer, const MarkedText& text,
                            bool add_special_tokens = false) {
  absl::StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(text, add_special_tokens);
  EXPECT_THAT(ids, IsOk());
  return ids.ok() ? *ids : std::vector<int32_t>();
}

// A piece of the model, appended to it: of this type, with the lowest score.
std::string WithPiece(std::string model, const std::string& text, char type) {
  std::string piece;
  AppendWireBytes(1, text, &piece);
  piece += std::string("\x15\0\0\x80\xc6", 5);  // score -16384
  piece += '\x18';
  piece += type;
  AppendWireBytes(1, piece, &model);
  return model;
}

TEST(SentencePieceTokenizerTest, AgreesWithTheSameModelsTokenizerJson) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto json, Tokenizer::Load(kDemoModel));
  SentencePieceOptions options;
  options.prefix_after_special = false;  // "legacy": false
  const auto model = MustMakeSentencePiece(DemoModel(), options);
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json cases,
                              ReadJsonFile(GANTRY_TESTDATA "/tokenizers/demo/cases.json"));
  int compared = 0;
  for (const Json& c : cases["cases"]) {
    const MarkedText text(c["text"].get<std::string>());
    // Before leading spaces the library puts one more, and Metaspace does not.
    if (!text.text.empty() && text.text[0] == ' ') continue;
    SCOPED_TRACE(text.text);
    const std::vector<int32_t> ids = Encode(*model, text, true);
    EXPECT_EQ(ids, Encode(*json, text, true));
    EXPECT_EQ(model->Decode(ids, true), json->Decode(ids, true));
    ++compared;
  }
  EXPECT_GT(compared, 15);
}

TEST(SentencePieceTokenizerTest, FolderWithoutTokenizerJson) {
  TempFolder folder;
  const std::string model = folder.Write("tokenizer.model", DemoModel());
  folder.Write("tokenizer_config.json",
               R"({"add_bos_token": false, "add_eos_token": true, "legacy": true})");
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto tokenizer, Tokenizer::Load(folder.path()));
  EXPECT_EQ(Encode(*tokenizer, MarkedText("</s>"), true), std::vector<int32_t>({2, 2}));
  EXPECT_EQ(tokenizer->TokenId("<s>"), 1);
  EXPECT_TRUE(tokenizer->IsSpecial(1));
  EXPECT_FALSE(tokenizer->IsSpecial(300));
  std::filesystem::remove(model);
  EXPECT_THAT(Tokenizer::Load(folder.path()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("tokenizer.model")));
}

TEST(SentencePieceTokenizerTest, LegacyPutsASpaceAfterSpecialTokens) {
  SentencePieceOptions options;
  const auto legacy = MustMakeSentencePiece(DemoModel(), options);
  options.prefix_after_special = false;
  const auto modern = MustMakeSentencePiece(DemoModel(), options);
  const int32_t b = modern->TokenId("b");
  const int32_t space_b = modern->TokenId(std::string(kMetaspace) + "b");
  ASSERT_GE(b, 0);
  const std::vector<int32_t> with = Encode(*legacy, MarkedText("a</s>b"));
  const std::vector<int32_t> without = Encode(*modern, MarkedText("a</s>b"));
  ASSERT_EQ(without.size(), 3);
  EXPECT_EQ(without[2], b);
  ASSERT_GE(with.size(), 3);
  EXPECT_EQ(with[2], space_b >= 0 ? space_b : modern->TokenId(kMetaspace));
}

TEST(SentencePieceTokenizerTest, UsersBytesAreNoTokens) {
  SentencePieceOptions options;
  options.prefix_after_special = false;
  const std::string bytes = WithPiece(DemoModel(), "<user_defined>", 4);
  const auto tokenizer = MustMakeSentencePiece(bytes, options);
  const int32_t user_defined = tokenizer->TokenId("<user_defined>");
  const std::string all = "<s></s><unk><user_defined>";
  EXPECT_THAT(Encode(*tokenizer, MarkedText(all)), ElementsAre(1, 2, 0, user_defined));
  const std::vector<int32_t> typed = Encode(*tokenizer, Mark({"</s>", all}));
  ASSERT_GT(typed.size(), 4);
  EXPECT_EQ(typed[0], 2);
  for (size_t i = 1; i < typed.size(); ++i) {
    EXPECT_GT(typed[i], 2);
    EXPECT_NE(typed[i], user_defined);
  }
  EXPECT_EQ(tokenizer->Decode(typed, true), all);
}

TEST(SentencePieceTokenizerTest, RefusesBadText) {
  const auto tokenizer = MustMakeSentencePiece(DemoModel());
  EXPECT_THAT(tokenizer->Encode(MarkedText("\xff"), false),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));
  EXPECT_THAT(tokenizer->Encode(MarkedText(std::string((4 << 20) + 1, 'a')), false),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("4194304")));
  EXPECT_FALSE(Encode(*tokenizer, MarkedText(std::string(1'000'000, 'x'))).empty());
}

TEST(SentencePieceTokenizerTest, RefusesBadModels) {
  const std::string good = DemoModel();
  std::string normalizer;
  AppendWireBytes(1, "nmt_nfkc", &normalizer);
  AppendWireBytes(2, "table", &normalizer);
  std::string with_table = good;
  AppendWireBytes(3, normalizer, &with_table);
  const struct {
    std::string bytes;
    absl::StatusCode code;
    const char* message;
  } kCases[] = {
      {"", absl::StatusCode::kInvalidArgument, "no pieces"},
      {"junk", absl::StatusCode::kInvalidArgument, "not well-formed"},
      {good.substr(0, good.size() - 1), absl::StatusCode::kInvalidArgument, "not well-formed"},
      {std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),
       absl::StatusCode::kInvalidArgument, "not well-formed"},
      {WithPiece(good, "", 1), absl::StatusCode::kInvalidArgument, "piece 1024"},
      {WithPiece(good, "\xff", 1), absl::StatusCode::kInvalidArgument, "UTF-8"},
      {WithPiece(good, "<s>", 1), absl::StatusCode::kInvalidArgument, "twice"},
      {WithPiece(good, "x7", 9), absl::StatusCode::kInvalidArgument, "number 9"},
      {WithPiece(good, "<unk2>", 2), absl::StatusCode::kInvalidArgument, "libsentencepiece"},
      {with_table, absl::StatusCode::kUnimplemented, "nmt_nfkc"},
  };
  for (const auto& c : kCases) {
    const auto tokenizer = ParseSentencePieceTokenizer(c.bytes, {}, "folder/tokenizer.model");
    EXPECT_THAT(tokenizer, StatusIs(c.code, HasSubstr(c.message)));
    EXPECT_THAT(tokenizer, StatusIs(c.code, HasSubstr("folder/tokenizer.model")));
  }
}

// Any bits of the file flipped: an error or a tokenizer that works, in a process of its own
// because the library is not trusted to.
TEST(SentencePieceTokenizerTest, FlippedBitsDoNotKillTheProcess) {
  const std::string good = DemoModel();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit seconds = {120, 120};
    setrlimit(RLIMIT_CPU, &seconds);
    std::mt19937 random(11);
    for (int round = 0; round < 300; ++round) {
      std::string bytes = good;
      for (int flips = 1 + random() % 8; flips > 0; --flips) {
        bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
      }
      const auto tokenizer = ParseSentencePieceTokenizer(bytes, {}, "test");
      if (!tokenizer.ok()) continue;
      const auto ids =
          (*tokenizer)->Encode(MarkedText("Hello, </s> \xe6\x97\xa5\xe6\x9c\xac 12345"), true);
      if (ids.ok()) (*tokenizer)->Decode(*ids, false);
    }
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace gantry
