#include "coordinator/http/http_api.h"

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/json.h"
#include "coordinator/http/sse.h"
#include "proto/step_frame.h"
#include "tests/coordinator/fake_tokenizer.h"
#include "tests/coordinator/http/fake_exchange.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Answers every step at once: the token after t is t + 1.
class CountingStages : public StepSink {
 public:
  EngineLoop* engine = nullptr;
  std::atomic<bool> silent = false;

  bool Send(const v1::StepHeader& header) override {
    v1::StepHeader result;
    result.set_epoch(header.epoch());
    result.set_step(header.step());
    for (const v1::SequenceSlice& slice : header.slices()) {
      if (slice.logit_rows() == 0) continue;
      v1::SliceResult* const out = result.add_results();
      out->set_sequence(slice.sequence());
      v1::StepLogprob* const token = out->add_tokens()->mutable_token();
      int32_t& last = last_[slice.sequence()];
      if (const int32_t fed = *slice.token_ids().rbegin(); fed != kSampledToken) last = fed;
      last = (last + 1) % 256;
      token->set_token_id(last);
      token->set_logprob(-1);
    }
    if (!silent) engine->OnResult(std::move(result));
    return true;
  }

 private:
  std::map<uint64_t, int32_t> last_;  // token of each sequence
};

// printf %s secret | sha256sum, and of other
constexpr char kKeys[] =
    "alice:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n"
    "bob:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa\n";

class HttpApiTest : public ::testing::Test {
 protected:
  HttpApiTest()
      : engine_(Observed(&traces_), &config_, &tokenizer_, Clock::Real()),
        queue_(1),
        meter_(
            std::make_shared<KeyMeter>(KeyLimits{0, 0, /*concurrent_requests=*/8}, Clock::Real())),
        router_(AllowedHosts("127.0.0.1:1", {}), ApiKeys::Parse(kKeys, "keys").value(), meter_) {
    config_.vocab_size = 260;
    stages_.engine = &engine_;
    HttpBackend backend;
    backend.model_name = "org/m";
    backend.context.vocab_size = 260;
    backend.context.context = 4096;
    backend.context.tokenizer = &tokenizer_;
    backend.engine = &engine_;
    backend.status = [this] {
      v1::GetStatusResponse status;
      status.set_ready(ready_);
      status.set_reason("loading");
      return status;
    };
    backend.metrics = [] { return std::string("metrics\n"); };
    backend.traces = &traces_;
    api_.emplace(std::move(backend), &queue_);
    api_->AddRoutes(&router_);
    engine_.BeginEpoch({1, 1, 1024, &stages_});
  }
  ~HttpApiTest() override {
    engine_.EndEpoch(absl::CancelledError("the test ends"));
    for (const auto& exchange : exchanges_) exchange->RunPosted();
  }

  static EngineOptions Observed(EngineObserver* observer) {
    EngineOptions options;
    options.observer = observer;
    return options;
  }
  static HttpRequest Make(const std::string& method, const std::string& path,
                          std::string body = "") {
    HttpRequest request;
    request.method = method;
    request.path = path;
    request.host = "localhost";
    request.authorization = "Bearer secret";
    request.body = std::move(body);
    return request;
  }
  std::shared_ptr<FakeExchange> Start(HttpRequest request) {
    EXPECT_FALSE(router_.CheckHead(&request).has_value());
    auto exchange = std::make_shared<FakeExchange>(std::move(request));
    exchanges_.push_back(exchange);
    router_.Handle(exchange);
    return exchange;
  }
  std::shared_ptr<FakeExchange> Call(const std::string& method, const std::string& path,
                                     std::string body = "") {
    auto exchange = Start(Make(method, path, std::move(body)));
    exchange->RunToEnd();
    return exchange;
  }
  std::shared_ptr<FakeExchange> Complete(const std::string& fields) {
    return Call("POST", "/v1/completions", "{\"prompt\":\"a\"," + fields + "}");
  }

  ModelConfig config_;
  FakeTokenizer tokenizer_;
  CountingStages stages_;
  TraceLog traces_{Clock::Real()};
  EngineLoop engine_;
  WorkQueue queue_;
  std::shared_ptr<KeyMeter> meter_;
  Router router_;
  std::atomic<bool> ready_ = true;
  std::optional<HttpApi> api_;
  std::vector<std::shared_ptr<FakeExchange>> exchanges_;
};

TEST_F(HttpApiTest, EveryRouteButThoseOfHealthAndThePageNeedsAKey) {
  ASSERT_GE(router_.routes().size(), 12);
  std::vector<std::string> open;
  for (const Route& route : router_.routes()) {
    for (const auto& [key, admitted] : {std::pair("", false),
                                        {"Bearer wrong", false},
                                        {"Basic secret", false},
                                        {"Bearer secret", true}}) {
      HttpRequest request = Make(route.method, route.path);
      request.authorization = key;
      const std::optional<HttpResponse> refusal = router_.CheckHead(&request);
      if (route.open || admitted) {
        EXPECT_FALSE(refusal.has_value()) << route.path;
      } else {
        ASSERT_TRUE(refusal.has_value()) << route.path;
        EXPECT_EQ(refusal->status, 401) << route.path;
      }
    }
    const bool of_page = absl::StartsWith(route.path, "/page/");
    EXPECT_TRUE(route.open || !of_page) << route.path;
    if (route.open && !of_page) open.push_back(route.path);
  }
  EXPECT_THAT(open, ::testing::UnorderedElementsAre("/livez", "/readyz", "/health", "/"));
  HttpRequest nowhere = Make("GET", "/nowhere");
  nowhere.authorization = "";
  EXPECT_EQ(router_.CheckHead(&nowhere)->status, 401);
}

TEST_F(HttpApiTest, RequestsOfAKeyThatAreAtWorkCountAgainstItsLimit) {
  std::vector<HttpRequest> at_work(8, Make("POST", "/v1/completions"));
  for (HttpRequest& request : at_work) EXPECT_FALSE(router_.CheckHead(&request).has_value());
  HttpRequest more = Make("POST", "/v1/completions");
  EXPECT_EQ(router_.CheckHead(&more)->status, 429);
  HttpRequest status = Make("GET", "/api/status");
  EXPECT_FALSE(router_.CheckHead(&status).has_value());
}

TEST_F(HttpApiTest, CompletesPromptsInTheirOrder) {
  const auto exchange =
      Call("POST", "/v1/completions", R"({"prompt":["a","x"],"n":2,"max_tokens":3})");
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(exchange->body, "answer"));
  std::vector<std::string> texts;
  for (const Json& choice : json["choices"]) {
    EXPECT_EQ(choice["index"], texts.size());
    EXPECT_EQ(choice["finish_reason"], "length");
    texts.push_back(choice["text"]);
  }
  EXPECT_THAT(texts, ::testing::ElementsAre("bcd", "bcd", "yz{", "yz{"));
  // Each prompt has a BOS, and is counted once.
  EXPECT_EQ(DumpJson(json["usage"]),
            R"({"prompt_tokens":4,"completion_tokens":12,"total_tokens":16})");
}

TEST_F(HttpApiTest, StreamsEndWithReasonUsageAndDone) {
  const auto exchange =
      Complete(R"("max_tokens":2,"stream":true,"stream_options":{"include_usage":true})");
  EXPECT_THAT(exchange->head->content_type, StartsWith("text/event-stream"));
  std::vector<std::string> events = absl::StrSplit(exchange->body, "\n\n", absl::SkipEmpty());
  ASSERT_EQ(events.size(), 5);
  EXPECT_THAT(events[0], HasSubstr(R"("text":"b","logprobs":null,"finish_reason":null)"));
  EXPECT_THAT(events[1], HasSubstr(R"("text":"c")"));
  EXPECT_THAT(events[2], HasSubstr(R"("finish_reason":"length")"));
  EXPECT_THAT(events[3], HasSubstr(R"("choices":[],"usage":{"prompt_tokens":2)"));
  EXPECT_EQ(events[4], "data: [DONE]");
  EXPECT_FALSE(exchange->cut);
}

TEST_F(HttpApiTest, AStreamThatFailsIsCutAfterAnErrorEvent) {
  stages_.silent = true;
  const auto exchange = Start(Make("POST", "/v1/completions", R"({"prompt":"a","stream":true})"));
  exchange->Run([&] { return exchange->watched(); });
  exchange->Rest();
  EXPECT_EQ(exchange->body, kSseKeepAlive);
  engine_.EndEpoch(absl::UnavailableError("worker w is lost"));
  exchange->RunToEnd();
  EXPECT_TRUE(exchange->cut);
  EXPECT_THAT(exchange->body, HasSubstr(R"(data: {"error":{"message":"worker w is lost")"));
  EXPECT_THAT(exchange->body, ::testing::Not(HasSubstr("[DONE]")));
}

TEST_F(HttpApiTest, ErrorsBeforeTheFirstTokenHaveAStatus) {
  engine_.EndEpoch(absl::UnavailableError("no worker"));
  const auto exchange = Complete(R"("stream":true)");
  EXPECT_EQ(exchange->head->status, 503);
}

TEST_F(HttpApiTest, AClientThatGoesCancelsItsRequests) {
  stages_.silent = true;
  const auto exchange = Start(Make("POST", "/v1/completions", R"({"prompt":"a","n":3})"));
  exchange->Run([&] { return exchange->watched(); });
  exchange->Leave();
  engine_.EndEpoch(absl::UnavailableError("later"));  // returns when all before it is done
  EXPECT_EQ(engine_.report().counters.requests_running(), 0);
}

TEST_F(HttpApiTest, RefusesOtherModelsAndWhatTheEngineRefuses) {
  const auto other = Complete(R"("model":"org/other")");
  EXPECT_EQ(other->head->status, 404);
  EXPECT_THAT(other->body, HasSubstr("\"code\":\"model_not_found\""));
  EXPECT_EQ(Complete(R"("model":"org/m","max_tokens":1)")->head->status, 200);
  const auto hot = Complete(R"("temperature":101)");
  EXPECT_EQ(hot->head->status, 400);
  EXPECT_THAT(hot->body, HasSubstr("\"param\":\"temperature\""));
  const auto chat =
      Call("POST", "/v1/chat/completions", R"({"messages":[{"role":"user","content":"x"}]})");
  EXPECT_EQ(chat->head->status, 400);  // there is no template
}

TEST_F(HttpApiTest, ModelsAreListedAndFoundByTheirName) {
  const auto list = Call("GET", "/v1/models");
  EXPECT_THAT(list->body, StartsWith(R"({"object":"list","data":[{"id":"org/m","object":"model")"));
  EXPECT_THAT(Call("GET", "/v1/models/org%2Fm")->body, StartsWith(R"({"id":"org/m")"));
}

TEST_F(HttpApiTest, RequestsAreTracedByTheirIds) {
  HttpRequest request =
      Make("POST", "/v1/completions", R"({"prompt":["a","x"],"n":2,"max_tokens":3})");
  request.id = "a/b?%";
  Start(request)->RunToEnd();
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json found,
                              ParseJson(Call("GET", "/v1/traces/a%2Fb%3F%25")->body, "answer"));
  EXPECT_EQ(found["object"], "list");
  ASSERT_EQ(found["data"].size(), 2);
  for (const Json& trace : found["data"]) {
    EXPECT_EQ(trace["request_id"], "a/b?%");
    EXPECT_EQ(trace["client"], "alice");
    EXPECT_EQ(trace["finished_reason"], "length");
    EXPECT_EQ(trace["n"], 2);
    EXPECT_EQ(trace["completion_tokens"], 6);
    EXPECT_GT(trace["steps"].size(), 0);
  }
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json all, ParseJson(Call("GET", "/v1/traces")->body, "answer"));
  ASSERT_EQ(all["data"].size(), 2);
  EXPECT_FALSE(all["data"][0].contains("steps"));
  for (const char* path : {"/v1/traces/a", "/v1/traces/%00", "/v1/traces/a%20b", "/v1/traces/é"}) {
    EXPECT_EQ(Call("GET", path)->head->status, 404) << path;
  }
  EXPECT_EQ(Call("GET", "/v1/traces/%")->head->status, 400);
}

TEST_F(HttpApiTest, AKeySeesNoTracesOfAnother) {
  HttpRequest request = Make("POST", "/v1/completions", R"({"prompt":"a","max_tokens":1})");
  request.id = "mine";
  Start(request)->RunToEnd();
  HttpRequest ask = Make("GET", "/v1/traces");
  ask.authorization = "Bearer other";
  const auto all = Start(ask);
  EXPECT_THAT(all->body, HasSubstr(R"("data":[])"));
  ask.path = "/v1/traces/mine";
  const auto one = Start(ask);
  EXPECT_EQ(one->head->status, 404);
}

TEST_F(HttpApiTest, TokenizesBothWays) {
  EXPECT_EQ(Call("POST", "/tokenize", R"({"prompt":"ab","add_special_tokens":false})")->body,
            R"({"count":2,"max_model_len":4096,"tokens":[97,98]})");
  EXPECT_EQ(Call("POST", "/detokenize", R"({"tokens":[97,98]})")->body, R"({"prompt":"ab"})");
  for (const char* body : {"{}", R"({"tokens":[260]})", R"({"tokens":[-1]})", R"({"tokens":7})"}) {
    EXPECT_EQ(Call("POST", "/detokenize", body)->head->status, 400) << body;
  }
}

TEST_F(HttpApiTest, ReadyMeansThatATokenComesOut) {
  EXPECT_EQ(Call("GET", "/readyz")->head->status, 200);
  const uint64_t tokens = engine_.report().counters.generated_tokens();
  EXPECT_EQ(Call("GET", "/readyz")->head->status, 200);  // for a second that is proof enough
  EXPECT_EQ(engine_.report().counters.generated_tokens(), tokens);
  ready_ = false;
  const auto loading = Call("GET", "/readyz");
  EXPECT_EQ(loading->head->status, 503);
  EXPECT_THAT(loading->body, HasSubstr("loading"));
  EXPECT_EQ(Call("GET", "/health")->head->status, 503);
  EXPECT_EQ(Call("GET", "/livez")->head->status, 200);
}

TEST_F(HttpApiTest, AHungWorkerIsNotReady) {
  stages_.silent = true;
  const auto exchange = Start(Make("GET", "/readyz"));
  engine_.EndEpoch(absl::UnavailableError("worker w is lost"));
  exchange->RunToEnd();
  EXPECT_EQ(exchange->head->status, 503);
  EXPECT_THAT(exchange->body, HasSubstr("worker w is lost"));
}

}  // namespace
}  // namespace gantry
