#include "coordinator/constraint_compiler.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/coordinator/fake_tokenizer.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int32_t kEnd = 257;

v1::GenerateRequest Regex(const std::string& regex) {
  v1::GenerateRequest request;
  request.set_regex(regex);
  return request;
}

class ConstraintCompilerTest : public ::testing::Test {
 protected:
  std::string Mask(const v1::GenerateRequest& request) {
    const auto constraint = compiler_.Compile(request);
    EXPECT_THAT(constraint, IsOk());
    std::string mask;
    EXPECT_TRUE((*constraint)->Copy()->Allowed(&mask));
    return mask;
  }

  FakeTokenizer tokenizer_;
  ConstraintCompiler compiler_{&tokenizer_, 300, {kEnd}};
};

TEST_F(ConstraintCompilerTest, MasksAreAsWideAsTheModelsVocabulary) {
  const std::string mask = Mask(Regex("a"));
  ASSERT_EQ(mask.size(), 38);
  std::string expected(38, 0);
  expected['a' / 8] = 1 << ('a' % 8);
  EXPECT_EQ(mask, expected);
}

TEST_F(ConstraintCompilerTest, CopiesGoTheirOwnWays) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto constraint, compiler_.Compile(Regex("ab|c")));
  const std::unique_ptr<TokenConstraint> one = constraint->Copy();
  const std::unique_ptr<TokenConstraint> other = constraint->Copy();
  GANTRY_EXPECT_OK(one->Accept('a'));
  EXPECT_THAT(one->Accept('c'), StatusIs(absl::StatusCode::kInternal, HasSubstr("token 99")));
  GANTRY_EXPECT_OK(one->Accept('b'));
  GANTRY_EXPECT_OK(other->Accept('c'));
  std::string mask;
  one->Allowed(&mask);
  std::string expected(38, 0);
  expected[kEnd / 8] = 1 << (kEnd % 8);
  EXPECT_EQ(mask, expected);
}

TEST_F(ConstraintCompilerTest, NoConstraintIsNone) {
  v1::GenerateRequest request;
  EXPECT_FALSE(HasConstraint(request));
  request.set_json_object(false);
  EXPECT_FALSE(HasConstraint(request));
  request.set_json_object(true);
  EXPECT_TRUE(HasConstraint(request));
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto constraint, compiler_.Compile(request));
  GANTRY_EXPECT_OK(constraint->Copy()->Accept('{'));
  EXPECT_TRUE(HasConstraint(Regex("")));
}

TEST_F(ConstraintCompilerTest, EveryFaultOfARequestIsItsOwn) {
  v1::GenerateRequest request;
  for (const char* schema : {"{", R"({"not":{}})", R"({"type":"float"})", "false"}) {
    request.set_json_schema(schema);
    EXPECT_THAT(compiler_.Compile(request),
                StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("json_schema: ")));
  }
  for (const char* regex : {"(", "(?=a)", "(a{1000}){1000}"}) {
    EXPECT_THAT(compiler_.Compile(Regex(regex)),
                StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("regex: ")));
  }
}

TEST_F(ConstraintCompilerTest, ManyGrammarsOneAfterAnother) {
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 40; ++i) {
      const char letter = static_cast<char>('a' + i % 20);
      const std::string mask = Mask(Regex(absl::StrCat(std::string(1, letter), "{", i + 1, "}")));
      EXPECT_EQ(mask[letter / 8], static_cast<char>(1 << (letter % 8)));
    }
  }
}

TEST_F(ConstraintCompilerTest, NeedsATokenizerAndAnEnd) {
  ConstraintCompiler without_tokenizer(nullptr, 300, {kEnd});
  EXPECT_THAT(without_tokenizer.Compile(Regex("a")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no tokenizer")));
  ConstraintCompiler without_end(&tokenizer_, 300, {});
  EXPECT_THAT(without_end.Compile(Regex("a")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no end token")));
}

}  // namespace
}  // namespace gantry
