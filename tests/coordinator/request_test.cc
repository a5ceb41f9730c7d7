#include "coordinator/request.h"

#include <limits>

#include "tests/coordinator/fake_tokenizer.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class RequestTest : public ::testing::Test {
 protected:
  RequestTest() {
    context_.vocab_size = 300;
    context_.context = 32;
    context_.tokenizer = &tokenizer_;
    context_.generation.eos_token_ids = {2, 7};
  }

  absl::StatusOr<Request> Check(const v1::GenerateRequest& request) {
    return CheckGenerate(request, context_, 5);
  }
  void ExpectRefused(const v1::GenerateRequest& request, absl::string_view field) {
    EXPECT_THAT(Check(request),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(std::string(field))));
  }
  static v1::GenerateRequest Ids(std::vector<int32_t> ids) {
    v1::GenerateRequest request;
    request.mutable_token_ids()->mutable_ids()->Add(ids.begin(), ids.end());
    return request;
  }

  FakeTokenizer tokenizer_;
  RequestContext context_;
};

TEST_F(RequestTest, TokenIdsAreTakenAsTheyAre) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const Request request, Check(Ids({0, 299})));
  EXPECT_THAT(request.prompt, ElementsAre(0, 299));
  EXPECT_EQ(request.max_new_tokens, 30);
  EXPECT_THAT(request.params.end_token_ids(), ElementsAre(2, 7));
  EXPECT_EQ(request.params.prompt_tokens(), 2);
  EXPECT_EQ(request.params.seed(), 5);
}

TEST_F(RequestTest, TokenIdsOutsideTheVocabularyAreRefused) {
  for (int32_t id :
       {-1, 300, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()}) {
    ExpectRefused(Ids({1, id}), "token_ids[1]");
  }
}

TEST_F(RequestTest, PriorityIsWithinItsBounds) {
  v1::GenerateRequest request = Ids({1});
  for (int32_t priority : {-10, 0, 10}) {
    request.set_priority(priority);
    GANTRY_ASSERT_OK_AND_ASSIGN(const Request checked, Check(request));
    EXPECT_EQ(checked.priority, priority);
    EXPECT_EQ(checked.client, "");
  }
  for (int32_t priority : {-11, 11, std::numeric_limits<int32_t>::min()}) {
    request.set_priority(priority);
    ExpectRefused(request, "priority");
  }
}

TEST_F(RequestTest, HasAnId) {
  v1::GenerateRequest request = Ids({1});
  GANTRY_ASSERT_OK_AND_ASSIGN(const Request random, Check(request));
  EXPECT_EQ(random.id, "gen-0000000000000005");
  request.set_request_id("answer/7:again");
  GANTRY_ASSERT_OK_AND_ASSIGN(const Request named, Check(request));
  EXPECT_EQ(named.id, "answer/7:again");
  for (const std::string& id : {std::string(kMaxIdBytes + 1, 'x'), std::string("two words"),
                                std::string("line\nbreak"), std::string(1, '\0')}) {
    request.set_request_id(id);
    ExpectRefused(request, "request_id");
  }
}

TEST_F(RequestTest, ResumingNeedsAnId) {
  v1::GenerateRequest request = Ids({1});
  request.set_resume_from(0);
  ExpectRefused(request, "resume_from: expected the request_id");
  request.set_request_id("a");
  GANTRY_EXPECT_OK(Check(request));
  request.set_resume_from(-1);
  ExpectRefused(request, "resume_from: expected 0 or more, found -1");
}

TEST_F(RequestTest, ToolsNeedATemplateThatKnowsThem) {
  v1::GenerateRequest request;
  v1::ChatMessage* const message = request.mutable_chat()->add_messages();
  message->set_role("user");
  message->set_content("x");
  request.mutable_chat()->set_tools_json("[{\"a\":1}]");
  const auto plain = ChatTemplate::Parse("{{ messages[0].content }}", Json::object()).value();
  context_.chat_template = plain.get();
  ExpectRefused(request, "tools: expected none");

  const auto knowing =
      ChatTemplate::Parse("{{ messages[0].content }}{{ tools | tojson }}", Json::object()).value();
  context_.chat_template = knowing.get();
  GANTRY_ASSERT_OK_AND_ASSIGN(const MarkedText text, RenderChat(request.chat(), context_));
  EXPECT_EQ(text.text, "x[{\"a\": 1}]");
  for (const std::string& tools : {std::string("{}"), std::string("["),
                                   "[" + std::string(1000, '[') + std::string(1000, ']') + "]"}) {
    request.mutable_chat()->set_tools_json(tools);
    ExpectRefused(request, "tools: ");
  }
}

TEST_F(RequestTest, ResultsAndCallsOfToolsAreNotLeftOutInSilence) {
  const auto plain = ChatTemplate::Parse("{{ messages[0].content }}", Json::object()).value();
  const auto knowing = ChatTemplate::Parse(
                           "{% if messages[0].role == 'tool' %}r{% endif %}"
                           "{{ messages[0].tool_calls | tojson }}",
                           Json::object())
                           .value();
  v1::GenerateRequest calls;
  v1::ChatMessage* const message = calls.mutable_chat()->add_messages();
  message->set_role("assistant");
  message->set_tool_calls_json("[{\"id\":\"1\"}]");
  context_.chat_template = plain.get();
  ExpectRefused(calls, "no use for them");
  context_.chat_template = knowing.get();
  EXPECT_EQ(RenderChat(calls.chat(), context_)->text, "[{\"id\": \"1\"}]");
  message->set_tool_calls_json("{}");
  ExpectRefused(calls, "chat.messages.tool_calls: ");

  message->clear_tool_calls_json();
  message->set_role("tool");
  context_.chat_template = plain.get();
  ExpectRefused(calls, "no use for them");
  context_.chat_template = knowing.get();
  message->set_tool_call_id("\xff");
  ExpectRefused(calls, "UTF-8");
}

TEST_F(RequestTest, ThereMayBeSeveralAnswers) {
  v1::GenerateRequest request = Ids({1});
  GANTRY_ASSERT_OK_AND_ASSIGN(Request checked, Check(request));
  EXPECT_EQ(checked.n, 1);
  request.set_n(128);
  GANTRY_ASSERT_OK_AND_ASSIGN(checked, Check(request));
  EXPECT_EQ(checked.n, 128);
  for (int32_t n : {-1, 0, 129, std::numeric_limits<int32_t>::max()}) {
    request.set_n(n);
    ExpectRefused(request, "n: expected 1 to 128");
  }
}

TEST_F(RequestTest, AnInputIsNeeded) {
  ExpectRefused(v1::GenerateRequest(), "input");
  ExpectRefused(Ids({}), "prompt");
}

TEST_F(RequestTest, APromptGetsSpecialTokensUnlessToldOtherwise) {
  v1::GenerateRequest request;
  request.set_prompt("a");
  GANTRY_ASSERT_OK_AND_ASSIGN(Request checked, Check(request));
  EXPECT_THAT(checked.prompt, ElementsAre(FakeTokenizer::kBos, 'a'));
  request.set_add_special_tokens(false);
  GANTRY_ASSERT_OK_AND_ASSIGN(checked, Check(request));
  EXPECT_THAT(checked.prompt, ElementsAre('a'));
  request.set_prompt("");
  ExpectRefused(request, "prompt");
}

TEST_F(RequestTest, APromptThatIsNotUtf8IsRefused) {
  v1::GenerateRequest request;
  request.set_prompt("\xff");
  ExpectRefused(request, "prompt: expected UTF-8");
}

TEST_F(RequestTest, ThePromptLeavesRoomInTheContext) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const Request request, Check(Ids(std::vector<int32_t>(31, 1))));
  EXPECT_EQ(request.max_new_tokens, 1);
  ExpectRefused(Ids(std::vector<int32_t>(32, 1)), "context of 32");
}

TEST_F(RequestTest, NumbersOfTokensAreChecked) {
  v1::GenerateRequest request = Ids({1});
  request.set_max_new_tokens(-1);
  ExpectRefused(request, "max_new_tokens");
  request.set_max_new_tokens(std::numeric_limits<int32_t>::min());
  ExpectRefused(request, "max_new_tokens");
  request.set_max_new_tokens(std::numeric_limits<int32_t>::max());
  EXPECT_EQ(Check(request)->max_new_tokens, 31);
  request.set_max_new_tokens(0);
  EXPECT_EQ(Check(request)->max_new_tokens, 0);
  request.set_min_new_tokens(1);
  ExpectRefused(request, "min_new_tokens");
  request.clear_max_new_tokens();
  request.set_min_new_tokens(-1);
  ExpectRefused(request, "min_new_tokens");
}

TEST_F(RequestTest, AConstraintComesWithTheRequest) {
  v1::GenerateRequest request = Ids({1});
  request.set_regex("a+");
  EXPECT_THAT(Check(request), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("regex")));
  ConstraintCompiler constraints(&tokenizer_, 300, {2, 7});
  context_.constraints = &constraints;
  GANTRY_ASSERT_OK_AND_ASSIGN(const Request checked, Check(request));
  EXPECT_NE(checked.constraint, nullptr);
  v1::GenerateRequest unconstrained = Ids({1});
  unconstrained.set_json_object(false);
  unconstrained.set_ignore_eos(true);
  EXPECT_EQ(Check(unconstrained)->constraint, nullptr);
  request.set_regex("(");
  ExpectRefused(request, "regex: ");
  request.set_regex("a+");
  request.set_ignore_eos(true);
  ExpectRefused(request, "ignore_eos");
  request.set_ignore_eos(false);
  request.set_min_new_tokens(1);
  ExpectRefused(request, "min_new_tokens");
}

TEST_F(RequestTest, BiasesAreCheckedAgainstTheVocabulary) {
  v1::GenerateRequest request = Ids({1});
  v1::LogitBias* const bias = request.add_logit_bias();
  bias->set_token_id(299);
  bias->set_bias(-100);
  GANTRY_ASSERT_OK_AND_ASSIGN(const Request checked, Check(request));
  EXPECT_THAT(checked.params.logit_bias(), SizeIs(1));
  bias->set_token_id(300);
  ExpectRefused(request, "logit_bias[0].token_id");
}

// They are masked before min_new_tokens all the same.
TEST_F(RequestTest, IgnoredEndTokensAreStillKnown) {
  v1::GenerateRequest request = Ids({1});
  EXPECT_FALSE(Check(request)->ignore_eos);
  request.set_ignore_eos(true);
  EXPECT_TRUE(Check(request)->ignore_eos);
  EXPECT_THAT(Check(request)->params.end_token_ids(), ElementsAre(2, 7));
}

TEST_F(RequestTest, StopStringsAreFewAndShort) {
  v1::GenerateRequest request = Ids({1});
  request.add_stop("");
  ExpectRefused(request, "stop");
  request.set_stop(0, std::string(kMaxStopBytes + 1, 'x'));
  ExpectRefused(request, "stop");
  request.set_stop(0, "\xc3");
  ExpectRefused(request, "stop");
  request.set_stop(0, std::string(kMaxStopBytes, 'x'));
  GANTRY_EXPECT_OK(Check(request));
  for (int i = 0; i < kMaxStopStrings; ++i) request.add_stop("x");
  ExpectRefused(request, "stop");
}

TEST_F(RequestTest, TopLogprobsAreFewAndAskForLogprobs) {
  v1::GenerateRequest request = Ids({1});
  request.set_top_logprobs(-1);
  ExpectRefused(request, "top_logprobs");
  request.set_top_logprobs(21);
  ExpectRefused(request, "top_logprobs");
  request.set_top_logprobs(20);
  EXPECT_TRUE(Check(request)->logprobs);
}

TEST_F(RequestTest, TextWithoutATokenizerIsRefused) {
  context_.tokenizer = nullptr;
  v1::GenerateRequest request;
  request.set_prompt("a");
  EXPECT_THAT(Check(request),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("token_ids")));
  GANTRY_EXPECT_OK(Check(Ids({1})));
}

TEST_F(RequestTest, ChatWithoutATemplateIsRefused) {
  v1::GenerateRequest request;
  request.mutable_chat()->add_messages()->set_role("user");
  EXPECT_THAT(Check(request),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("chat template")));
}

TEST_F(RequestTest, ScoreTakesUpToTheWholeContext) {
  v1::ScoreRequest request;
  const auto check = [&] { return CheckScore(request, context_); };
  EXPECT_THAT(check(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("token_ids")));
  for (int i = 0; i < 32; ++i) request.mutable_token_ids()->add_ids(1);
  GANTRY_ASSERT_OK_AND_ASSIGN(const Request checked, check());
  EXPECT_THAT(checked.prompt, SizeIs(32));
  EXPECT_TRUE(checked.params.score());
  request.mutable_token_ids()->add_ids(1);
  EXPECT_THAT(check(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("32")));
  request.mutable_token_ids()->clear_ids();
  request.mutable_token_ids()->add_ids(300);
  EXPECT_THAT(check(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("token_ids[0]")));
}

}  // namespace
}  // namespace gantry
