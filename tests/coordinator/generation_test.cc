#include "coordinator/generation.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/coordinator/fake_tokenizer.h"

namespace gantry {
namespace {

class GenerationTest : public ::testing::Test {
 protected:
  GenerationTest() {
    request_.max_new_tokens = 100;
    request_.params.add_end_token_ids(257);
  }

  // Feeds tokens until the generation ends; collects the text of the tokens.
  void Feed(const std::vector<int32_t>& ids, const Tokenizer* tokenizer) {
    Generation generation(request_, tokenizer);
    for (int32_t id : ids) {
      v1::StepToken token;
      token.mutable_token()->set_token_id(id);
      token.mutable_token()->set_logprob(-1);
      Generation::Event event = generation.Add(token);
      text_ += event.token.text();
      tokens_.push_back(event.token);
      if (event.finish.has_value()) {
        finish_ = *event.finish;
        return;
      }
    }
  }
  void FeedText(const std::string& text) { Feed({text.begin(), text.end()}, &tokenizer_); }

  FakeTokenizer tokenizer_;
  Request request_;
  std::string text_;
  std::vector<v1::GeneratedToken> tokens_;
  v1::Finish finish_;
};

TEST_F(GenerationTest, AnEndTokenIsReportedWithoutText) {
  Feed({'a', 'b', 257, 'c'}, &tokenizer_);
  EXPECT_EQ(text_ + finish_.text(), "ab");
  ASSERT_EQ(tokens_.size(), 3);
  EXPECT_EQ(tokens_[2].token_id(), 257);
  EXPECT_EQ(tokens_[2].index(), 2);
  EXPECT_EQ(tokens_[2].text(), "");
  EXPECT_EQ(finish_.reason(), v1::FINISH_REASON_STOP);
}

TEST_F(GenerationTest, AnIgnoredEndTokenIsReportedWithoutTextAndEndsNothing) {
  request_.ignore_eos = true;
  request_.max_new_tokens = 4;
  Feed({'a', 257, 'b', 257}, &tokenizer_);
  EXPECT_EQ(text_ + finish_.text(), "ab");
  ASSERT_EQ(tokens_.size(), 4);
  EXPECT_EQ(tokens_[1].token_id(), 257);
  EXPECT_EQ(finish_.reason(), v1::FINISH_REASON_LENGTH);
}

TEST_F(GenerationTest, StopStringsEndItWhereEndTokensAreIgnored) {
  request_.ignore_eos = true;
  request_.stop = {"bc"};
  Feed({'a', 257, 'b', 'c', 'd'}, &tokenizer_);
  EXPECT_EQ(text_ + finish_.text(), "a");
  EXPECT_EQ(tokens_.size(), 4);
  EXPECT_EQ(finish_.reason(), v1::FINISH_REASON_STOP);
}

TEST_F(GenerationTest, StopStringsEndNothingBeforeTheLeastTokens) {
  request_.stop = {"b"};
  request_.params.set_min_new_tokens(3);
  FeedText("abcbd");
  EXPECT_EQ(text_ + finish_.text(), "abc");
  EXPECT_EQ(tokens_.size(), 4);
  EXPECT_EQ(finish_.reason(), v1::FINISH_REASON_STOP);
}

TEST_F(GenerationTest, EndsAtTheLimit) {
  request_.max_new_tokens = 2;
  FeedText("abc");
  EXPECT_EQ(text_ + finish_.text(), "ab");
  EXPECT_EQ(tokens_.size(), 2);
  EXPECT_EQ(finish_.reason(), v1::FINISH_REASON_LENGTH);
}

TEST_F(GenerationTest, TheTextEndsBeforeAStopStringAcrossTokens) {
  request_.stop = {"STOP"};
  FeedText("go STOP on");
  EXPECT_EQ(text_, "go ");
  EXPECT_EQ(finish_.text(), "");
  EXPECT_EQ(tokens_.size(), 7);
  EXPECT_EQ(finish_.reason(), v1::FINISH_REASON_STOP);
}

TEST_F(GenerationTest, TextHeldBackForAStopStringComesWithTheFinish) {
  request_.stop = {"STOP"};
  request_.max_new_tokens = 5;
  FeedText("go STxx");
  EXPECT_EQ(text_, "go ");
  EXPECT_EQ(finish_.text(), "ST");
  EXPECT_EQ(finish_.reason(), v1::FINISH_REASON_LENGTH);
}

TEST_F(GenerationTest, CharactersAreNeverSplit) {
  request_.max_new_tokens = 3;
  FeedText("\xc3\xa9\xf0");
  EXPECT_EQ(tokens_[0].text(), "");
  EXPECT_EQ(tokens_[1].text(), "\xc3\xa9");
}

TEST_F(GenerationTest, WithoutATokenizerThereAreOnlyIds) {
  request_.max_new_tokens = 1;
  Feed({'a'}, nullptr);
  EXPECT_EQ(text_ + finish_.text(), "");
  EXPECT_EQ(finish_.reason(), v1::FINISH_REASON_LENGTH);
}

TEST_F(GenerationTest, LogprobsAreGivenOnlyWhenAskedFor) {
  request_.max_new_tokens = 1;
  FeedText("a");
  EXPECT_EQ(tokens_[0].logprob(), 0);
  request_.logprobs = true;
  FeedText("a");
  EXPECT_EQ(tokens_[1].logprob(), -1);
}

}  // namespace
}  // namespace gantry
