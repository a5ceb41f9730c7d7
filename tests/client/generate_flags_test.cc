#include "client/generate_flags.h"

#include <initializer_list>
#include <sstream>
#include <vector>

#include "absl/flags/reflection.h"
#include "base/flags.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GenerateFlagsTest : public ::testing::Test {
 protected:
  absl::StatusOr<GenerateOptions> Parse(std::initializer_list<const char*> flags,
                                        const std::string& input = "") {
    std::vector<char*> argv = {const_cast<char*>("generate")};
    for (const char* flag : flags) argv.push_back(const_cast<char*>(flag));
    ParseFlags(argv.size(), argv.data(), kGenerateUsage, {"client/generate_flags"});
    std::istringstream stream(input);
    return GenerateOptionsFromFlags(stream);
  }

 private:
  absl::FlagSaver saver_;
};

TEST_F(GenerateFlagsTest, NothingGivenIsNothingSet) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const GenerateOptions options, Parse({"--prompt="}));
  EXPECT_EQ(options.prompt, "");
  EXPECT_FALSE(options.chat.has_value());
  EXPECT_FALSE(options.add_special_tokens.has_value());
  EXPECT_FALSE(options.max_new_tokens.has_value());
  EXPECT_FALSE(options.logprobs.has_value());
  EXPECT_EQ(options.sampling.ByteSizeLong(), 0);
  EXPECT_EQ(options.timeout, absl::InfiniteDuration());
  EXPECT_EQ(options.retry_for, absl::Seconds(30));
}

TEST_F(GenerateFlagsTest, EveryFlagArrives) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const GenerateOptions options, Parse({"--token_ids",
                                                                    "1,2",
                                                                    "--noadd_special_tokens",
                                                                    "--max_new_tokens",
                                                                    "0",
                                                                    "--min_new_tokens=3",
                                                                    "--ignore_eos",
                                                                    "--regex=",
                                                                    "--logit_bias=5:-100,9:2.5",
                                                                    "--temperature",
                                                                    "0",
                                                                    "--top_k",
                                                                    "0",
                                                                    "--top_p",
                                                                    "0.5",
                                                                    "--min_p",
                                                                    "0.25",
                                                                    "--repetition_penalty",
                                                                    "1.5",
                                                                    "--presence_penalty",
                                                                    "-1",
                                                                    "--frequency_penalty",
                                                                    "2",
                                                                    "--seed",
                                                                    "18446744073709551615",
                                                                    "--stop",
                                                                    "a,b",
                                                                    "--logprobs",
                                                                    "--top_logprobs",
                                                                    "4",
                                                                    "--priority",
                                                                    "-3",
                                                                    "--n",
                                                                    "5",
                                                                    "--json",
                                                                    "--timeout",
                                                                    "1.5s"}));
  EXPECT_THAT(*options.token_ids, ElementsAre(1, 2));
  EXPECT_EQ(options.add_special_tokens, false);
  EXPECT_EQ(options.max_new_tokens, 0);
  EXPECT_EQ(options.min_new_tokens, 3);
  EXPECT_TRUE(options.ignore_eos);
  EXPECT_EQ(options.regex, "");
  EXPECT_EQ(options.logit_bias.size(), 2);
  EXPECT_TRUE(options.sampling.has_temperature());
  EXPECT_EQ(options.sampling.temperature(), 0);
  EXPECT_TRUE(options.sampling.has_top_k());
  EXPECT_EQ(options.sampling.top_p(), 0.5f);
  EXPECT_EQ(options.sampling.min_p(), 0.25f);
  EXPECT_EQ(options.sampling.repetition_penalty(), 1.5f);
  EXPECT_EQ(options.sampling.presence_penalty(), -1);
  EXPECT_EQ(options.sampling.frequency_penalty(), 2);
  EXPECT_EQ(options.sampling.seed(), 18446744073709551615u);
  EXPECT_THAT(options.stop, ElementsAre("a,b"));
  EXPECT_EQ(options.logprobs, true);
  EXPECT_EQ(options.top_logprobs, 4);
  EXPECT_EQ(options.priority, -3);
  EXPECT_EQ(options.n, 5);
  EXPECT_TRUE(options.json);
  EXPECT_EQ(options.timeout, absl::Milliseconds(1500));
}

TEST_F(GenerateFlagsTest, DashReadsTheInput) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const GenerateOptions chat, Parse({"--chat", "-"}, "a\nb\n"));
  EXPECT_EQ(chat.chat, "a\nb");
}

TEST_F(GenerateFlagsTest, RawPromptKeepsItsLineEnd) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const GenerateOptions prompt, Parse({"--prompt", "-"}, "a\n"));
  EXPECT_EQ(prompt.prompt, "a\n");
}

TEST_F(GenerateFlagsTest, InputIsUtf8AndNotEndless) {
  EXPECT_THAT(Parse({"--prompt", "-"}, "\xff"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));
  EXPECT_THAT(Parse({"--prompt", "-"}, std::string((16 << 20) + 1, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("16777216")));
}

TEST_F(GenerateFlagsTest, ActionsExclude) {
  EXPECT_THAT(Parse({"--status", "--score"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("exclude")));
}

TEST_F(GenerateFlagsTest, NegativeTimeoutIsRefused) {
  EXPECT_THAT(Parse({"--prompt", "x", "--timeout", "-1s"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--timeout")));
}

TEST_F(GenerateFlagsTest, NegativeRetryForIsRefused) {
  EXPECT_THAT(Parse({"--prompt", "x", "--retry_for", "-1s"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--retry_for")));
}

}  // namespace
}  // namespace gantry
