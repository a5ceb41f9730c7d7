#include "client/load.h"

#include <algorithm>
#include <set>

#include "tests/client/fake_inference.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

TEST(RandomPromptTest, SeededDistinctAndWithinTheVocabulary) {
  const LoadOptions options{.prompt_tokens = 64, .seed = 3, .vocab_size = 50};
  const std::vector<int32_t> prompt = RandomPrompt(options, 0);
  EXPECT_EQ(prompt.size(), 64);
  EXPECT_EQ(prompt, RandomPrompt(options, 0));
  EXPECT_NE(prompt, RandomPrompt(options, 1));
  LoadOptions other = options;
  other.seed = 3 + (uint64_t{1} << 32);
  EXPECT_NE(prompt, RandomPrompt(other, 0));
  EXPECT_GE(*std::min_element(prompt.begin(), prompt.end()), 0);
  EXPECT_LT(*std::max_element(prompt.begin(), prompt.end()), 50);
}

// Answers with as many tokens as were asked for.
grpc::Status Answer(const v1::GenerateRequest& request,
                    grpc::ServerWriter<v1::GenerateResponse>* writer) {
  for (int i = 0; i < request.max_new_tokens(); ++i) writer->Write(TokenEvent(i, 1, "x"));
  writer->Write(FinishEvent(v1::FINISH_REASON_LENGTH, "", request.token_ids().ids_size(),
                            request.max_new_tokens()));
  return grpc::Status::OK;
}

TEST(RunLoadTest, SendsEveryRequestOnceWithExactLengths) {
  FakeInference server;
  server.generate = [](grpc::ServerContext*, const v1::GenerateRequest& request,
                       grpc::ServerWriter<v1::GenerateResponse>* writer) {
    return Answer(request, writer);
  };
  const LoadOptions options{
      .prompt_tokens = 5, .max_new_tokens = 3, .concurrency = 4, .requests = 9};
  const LoadResult result = RunLoad(server.MakeClient(), options, Clock::Real());
  ASSERT_EQ(result.requests.size(), 9);
  for (const RequestTimes& request : result.requests) {
    GANTRY_EXPECT_OK(request.status);
    EXPECT_EQ(request.tokens.size(), 3);
    EXPECT_TRUE(std::is_sorted(request.tokens.begin(), request.tokens.end()));
    EXPECT_GE(request.end, request.tokens.back());
    EXPECT_GE(result.duration, request.end);
    EXPECT_EQ(request.prompt_tokens, 5);
  }
  std::set<std::string> prompts;
  for (const v1::GenerateRequest& request : server.generate_requests()) {
    EXPECT_EQ(request.max_new_tokens(), 3);
    EXPECT_TRUE(request.ignore_eos());
    EXPECT_TRUE(request.sampling().has_temperature());
    EXPECT_EQ(request.sampling().temperature(), 0);
    prompts.insert(request.token_ids().SerializeAsString());
  }
  EXPECT_EQ(prompts.size(), 9);
}

TEST(RunLoadTest, KeepsAsManyRequestsUnderWayAsAsked) {
  constexpr int kStreams = 4;
  FakeInference server;
  absl::Mutex mutex;
  int under_way = 0;
  server.generate = [&](grpc::ServerContext*, const v1::GenerateRequest& request,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) {
    mutex.Lock();
    ++under_way;
    // Deadlocks, and so times out, with fewer.
    mutex.Await(absl::Condition(
        +[](int* count) { return *count == kStreams; }, &under_way));
    mutex.Unlock();
    return Answer(request, writer);
  };
  const LoadOptions options{
      .prompt_tokens = 1, .max_new_tokens = 1, .concurrency = kStreams, .requests = kStreams};
  for (const RequestTimes& request :
       RunLoad(server.MakeClient(), options, Clock::Real()).requests) {
    GANTRY_EXPECT_OK(request.status);
  }
}

TEST(RunLoadTest, TellsErrorsAndShortAnswers) {
  FakeInference server;
  server.events = {TokenEvent(0, 1, "x"), FinishEvent(v1::FINISH_REASON_STOP, "", 5, 1)};
  LoadOptions options{.prompt_tokens = 5, .max_new_tokens = 2, .requests = 1};
  EXPECT_THAT(RunLoad(server.MakeClient(), options, Clock::Real()).requests[0].status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("expected 2 tokens, found 1")));
  options.ignore_eos = false;
  GANTRY_EXPECT_OK(RunLoad(server.MakeClient(), options, Clock::Real()).requests[0].status);
  EXPECT_FALSE(server.generate_requests().back().ignore_eos());
  server.end = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full");
  EXPECT_THAT(RunLoad(server.MakeClient(), options, Clock::Real()).requests[0].status,
              StatusIs(absl::StatusCode::kResourceExhausted, "the queue is full"));
}

}  // namespace
}  // namespace gantry
