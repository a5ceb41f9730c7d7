#include "client/generate_options.h"

#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using Action = GenerateOptions::Action;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ParseTokenIdsTest, Lists) {
  EXPECT_THAT(*ParseTokenIds("1,2, 3"), ElementsAre(1, 2, 3));
  EXPECT_THAT(*ParseTokenIds("2147483647"), ElementsAre(2147483647));
}

TEST(ParseTokenIdsTest, NamesWhatIsNoTokenId) {
  for (const char* text : {"", " ", "1,,2", "1,", "x", "-1", "2147483648", "1.5", "1 2"}) {
    EXPECT_THAT(ParseTokenIds(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--token_ids")))
        << text;
  }
  EXPECT_THAT(ParseTokenIds("1,x"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"x\"")));
}

TEST(ParseLogitBiasTest, PairsOfTokenAndBias) {
  EXPECT_THAT(*ParseLogitBias(""), IsEmpty());
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto biases, ParseLogitBias("5:-100, 9:2.5"));
  ASSERT_EQ(biases.size(), 2);
  EXPECT_EQ(biases[0].token_id(), 5);
  EXPECT_EQ(biases[0].bias(), -100);
  EXPECT_EQ(biases[1].token_id(), 9);
  EXPECT_EQ(biases[1].bias(), 2.5f);
}

TEST(ParseLogitBiasTest, NamesWhatIsNoPair) {
  for (const char* text : {"5", "5:", ":1", "5:x", "-1:1", "5:1,", "5:1:2", "1.5:1"}) {
    EXPECT_THAT(ParseLogitBias(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--logit_bias")))
        << text;
  }
}

TEST(ParseStopTest, OneTextOrAJsonArray) {
  EXPECT_THAT(*ParseStop(""), IsEmpty());
  EXPECT_THAT(*ParseStop("User:, again"), ElementsAre("User:, again"));
  EXPECT_THAT(*ParseStop("[INST]"), ElementsAre("[INST]"));
  EXPECT_THAT(*ParseStop(R"(["\n\n", "User:"])"), ElementsAre("\n\n", "User:"));
}

TEST(ParseStopTest, RefusesArraysThatAreNotOfStrings) {
  for (const char* text : {R"(["a", 1])", R"(["a")", R"(["a"] b)"}) {
    EXPECT_THAT(ParseStop(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--stop")))
        << text;
  }
}

TEST(CheckOptionsTest, EachActionTakesItsInputs) {
  const std::vector<int32_t> ids = {1};
  for (const GenerateOptions& good :
       {GenerateOptions{.prompt = ""}, GenerateOptions{.chat = "x", .system = "s"},
        GenerateOptions{.token_ids = ids}, GenerateOptions{.action = Action::kInteractive},
        GenerateOptions{.action = Action::kInteractive, .chat = "x", .system = "s"},
        GenerateOptions{.action = Action::kScore, .prompt = "x"},
        GenerateOptions{.action = Action::kTokenize, .chat = "x"},
        GenerateOptions{.action = Action::kDetokenize, .token_ids = ids},
        GenerateOptions{.action = Action::kStatus}}) {
    GANTRY_EXPECT_OK(CheckOptions(good));
  }
  for (const GenerateOptions& bad :
       {GenerateOptions{}, GenerateOptions{.prompt = "x", .chat = "y"},
        GenerateOptions{.prompt = "x", .token_ids = ids},
        GenerateOptions{.prompt = "x", .system = "s"},
        GenerateOptions{.action = Action::kInteractive, .prompt = "x"},
        GenerateOptions{.action = Action::kInteractive, .json = true},
        GenerateOptions{.action = Action::kScore},
        GenerateOptions{.action = Action::kTokenize, .token_ids = ids},
        GenerateOptions{.action = Action::kDetokenize, .prompt = "x"},
        GenerateOptions{.action = Action::kDetokenize, .prompt = "x", .token_ids = ids},
        GenerateOptions{.action = Action::kStatus, .prompt = "x"}}) {
    EXPECT_THAT(CheckOptions(bad), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--")));
  }
}

TEST(CheckOptionsTest, TextIsUtf8) {
  EXPECT_THAT(CheckOptions({.prompt = "\xff"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--prompt: expected UTF-8")));
  EXPECT_THAT(CheckOptions({.prompt = "x", .stop = {"\xe2\x82"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--stop")));
}

TEST(MakeGenerateRequestTest, WhatWasNotGivenIsNotSent) {
  const v1::GenerateRequest request = MakeGenerateRequest({.prompt = ""});
  EXPECT_EQ(request.input_case(), v1::GenerateRequest::kPrompt);
  EXPECT_FALSE(request.has_add_special_tokens());
  EXPECT_FALSE(request.has_max_new_tokens());
  EXPECT_FALSE(request.has_min_new_tokens());
  EXPECT_EQ(request.sampling().ByteSizeLong(), 0);
  EXPECT_FALSE(request.logprobs());
}

TEST(MakeGenerateRequestTest, ZerosThatWereGivenAreSent) {
  GenerateOptions options{.prompt = "x", .max_new_tokens = 0, .min_new_tokens = 0};
  options.add_special_tokens = false;
  options.sampling.set_temperature(0);
  const v1::GenerateRequest request = MakeGenerateRequest(options);
  EXPECT_TRUE(request.has_add_special_tokens());
  EXPECT_TRUE(request.has_max_new_tokens());
  EXPECT_TRUE(request.has_min_new_tokens());
  EXPECT_TRUE(request.sampling().has_temperature());
}

TEST(MakeGenerateRequestTest, BiasesAndIgnoredEndTokens) {
  GenerateOptions options{
      .prompt = "x", .logit_bias = *ParseLogitBias("5:-100"), .ignore_eos = true};
  const v1::GenerateRequest request = MakeGenerateRequest(options);
  ASSERT_EQ(request.logit_bias_size(), 1);
  EXPECT_EQ(request.logit_bias(0).token_id(), 5);
  EXPECT_EQ(request.logit_bias(0).bias(), -100);
  EXPECT_TRUE(request.ignore_eos());
}

TEST(MakeGenerateRequestTest, ChatHasTheSystemMessageFirst) {
  const v1::GenerateRequest request = MakeGenerateRequest({.chat = "hi", .system = "Be brief."});
  ASSERT_EQ(request.chat().messages_size(), 2);
  EXPECT_EQ(request.chat().messages(0).role(), "system");
  EXPECT_EQ(request.chat().messages(0).content(), "Be brief.");
  EXPECT_EQ(request.chat().messages(1).role(), "user");
  EXPECT_EQ(request.chat().messages(1).content(), "hi");
}

TEST(CheckOptionsTest, AnswersAreWithinTheirBounds) {
  for (int32_t n : {-1, 0, 129}) {
    EXPECT_THAT(CheckOptions({.prompt = "x", .n = n}),
                StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("--n")));
  }
  GANTRY_EXPECT_OK(CheckOptions({.prompt = "x", .n = 128}));
  EXPECT_FALSE(
      CheckOptions({.action = GenerateOptions::Action::kScore, .prompt = "x", .n = 2}).ok());
}

TEST(CheckOptionsTest, OnlyAnswersAreTraced) {
  GANTRY_EXPECT_OK(CheckOptions({.prompt = "x", .trace = true}));
  EXPECT_THAT(
      CheckOptions({.action = GenerateOptions::Action::kScore, .prompt = "x", .trace = true}),
      StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("--trace")));
}

TEST(MakeGenerateRequestTest, AlternativesNeedLogprobs) {
  EXPECT_TRUE(MakeGenerateRequest({.prompt = "x", .top_logprobs = 2}).logprobs());
  EXPECT_TRUE(MakeGenerateRequest({.prompt = "x", .json = true}).logprobs());
}

TEST(ConstraintOptionsTest, GoIntoTheRequest) {
  v1::GenerateRequest request = MakeGenerateRequest({.prompt = "x", .json_schema = "{}"});
  EXPECT_EQ(request.json_schema(), "{}");
  request = MakeGenerateRequest({.prompt = "x", .regex = ""});
  EXPECT_EQ(request.constraint_case(), v1::GenerateRequest::kRegex);
  request = MakeGenerateRequest({.prompt = "x", .json_object = true});
  EXPECT_TRUE(request.json_object());
  request = MakeGenerateRequest({.prompt = "x"});
  EXPECT_EQ(request.constraint_case(), v1::GenerateRequest::CONSTRAINT_NOT_SET);
}

TEST(ConstraintOptionsTest, AtMostOneAndOnlyWhereSomethingIsGenerated) {
  GANTRY_EXPECT_OK(CheckOptions({.prompt = "x", .regex = "a"}));
  EXPECT_THAT(CheckOptions({.prompt = "x", .regex = "a", .json_object = true}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("exclude each other")));
  EXPECT_THAT(
      CheckOptions(
          {.action = GenerateOptions::Action::kTokenize, .prompt = "x", .json_object = true}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--json_object")));
  EXPECT_THAT(CheckOptions({.prompt = "x", .regex = "\xff"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--regex: expected UTF-8")));
}

TEST(ReadSchemaTest, TextOrAFile) {
  EXPECT_EQ(*ReadSchema(" {}"), " {}");
  const TempFolder folder;
  EXPECT_EQ(*ReadSchema(folder.Write("schema.json", "true")), "true");
  EXPECT_THAT(ReadSchema(folder.Path("none.json")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("--json_schema: ")));
}

}  // namespace
}  // namespace gantry
