#include "coordinator/http/openai_request.h"

#include "absl/strings/str_cat.h"
#include "coordinator/constraint_compiler.h"
#include "coordinator/http/http_error.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<OpenAiRequest> Chat(
    absl::string_view fields, absl::string_view messages = R"([{"role":"user","content":"hi"}])") {
  return ParseOpenAiRequest(OpenAiApi::kChat,
                            absl::StrCat("{\"messages\":", messages, fields, "}"));
}

absl::StatusOr<OpenAiRequest> Completion(absl::string_view fields) {
  return ParseOpenAiRequest(OpenAiApi::kCompletions, absl::StrCat("{", fields, "}"));
}

// The param that an error blames.
template <typename T>
std::string Blamed(const absl::StatusOr<T>& parsed) {
  return parsed.ok() ? "(accepted)" : ToHttpError(parsed.status()).param;
}

TEST(OpenAiRequestTest, ChatTakesEveryField) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const OpenAiRequest request,
      Chat(R"(,"model":"m","n":3,"stream":true,"stream_options":{"include_usage":true},
              "temperature":0.5,"top_p":0.9,"top_k":-1,"min_p":0.1,"repetition_penalty":1.1,
              "presence_penalty":-1,"frequency_penalty":2,"seed":-5,"max_tokens":9,
              "max_completion_tokens":7,"min_tokens":2,"stop":["a","b"],"logprobs":true,
              "top_logprobs":4,"user":"u","never_heard_of":{"a":1},"logit_bias":{},
              "response_format":{"type":"text"},"tools":[],"tool_choice":"auto","best_of":3)"));
  EXPECT_EQ(request.model, "m");
  EXPECT_EQ(request.n, 3);
  EXPECT_TRUE(request.stream && request.include_usage);
  EXPECT_FALSE(request.tools);
  ASSERT_EQ(request.prompts.size(), 1);
  const v1::GenerateRequest& generate = request.prompts[0];
  EXPECT_EQ(generate.chat().messages(0).role(), "user");
  EXPECT_EQ(generate.sampling().temperature(), 0.5f);
  EXPECT_TRUE(generate.sampling().has_top_k());
  EXPECT_EQ(generate.sampling().top_k(), 0);
  EXPECT_EQ(generate.sampling().seed(), static_cast<uint64_t>(-5));
  EXPECT_EQ(generate.max_new_tokens(), 7);
  EXPECT_EQ(generate.min_new_tokens(), 2);
  EXPECT_THAT(generate.stop(), ElementsAre("a", "b"));
  EXPECT_TRUE(generate.logprobs());
  EXPECT_EQ(generate.top_logprobs(), 4);
}

TEST(OpenAiRequestTest, NullIsAbsent) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const OpenAiRequest request,
      Chat(R"(,"temperature":null,"stop":null,"n":null,"max_tokens":null,"seed":null,
              "stream":null,"stream_options":null,"logit_bias":null,"tools":null)"));
  EXPECT_FALSE(request.prompts[0].sampling().has_temperature());
  EXPECT_FALSE(request.prompts[0].sampling().has_seed());
  EXPECT_FALSE(request.prompts[0].has_max_new_tokens());
  EXPECT_EQ(request.n, 1);
}

TEST(OpenAiRequestTest, WrongTypesAndRangesNameTheirField) {
  for (const auto& [field, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"temperature", "\"hot\""},
           {"temperature", "1e300"},
           {"top_p", "[]"},
           {"top_k", "1.5"},
           {"top_k", "-2"},
           {"top_k", "2147483648"},
           {"seed", "1e30"},
           {"seed", "18446744073709551615"},
           {"max_tokens", "0"},
           {"max_tokens", "-1"},
           {"max_tokens", "2147483648"},
           {"max_completion_tokens", "0.5"},
           {"min_tokens", "-1"},
           {"n", "0"},
           {"n", "129"},
           {"n", "true"},
           {"stop", "7"},
           {"stop", "[1]"},
           {"stream", "1"},
           {"stream_options", "{}"},
           {"logprobs", "5"},
           {"top_logprobs", "2"},
           {"top_logprobs", "21"},
           {"model", "7"},
           {"best_of", "2"},
           {"tool_choice", "\"required\""},
           {"tools", "{}"},
           {"logit_bias", "5"},
           {"logit_bias", "{\"x\":5}"},
           {"logit_bias", "{\"1\":\"5\"}"},
           {"logit_bias", "{\"99999999999\":5}"},
           {"ignore_eos", "1"},
           {"response_format", "5"},
           {"guided_choice", "[\"a\"]"},
           {"parallel_tool_calls", "false"},
           {"functions", "[{}]"},
           {"chat_template", "\"{{ x }}\""}}) {
    EXPECT_EQ(Blamed(Chat(absl::StrCat(",\"", field, "\":", value))), field) << value;
  }
}

TEST(OpenAiRequestTest, BiasesAndIgnoredEndTokensAreTaken) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const OpenAiRequest request,
                              Chat(R"(,"logit_bias":{"5":-100,"7":2.5},"ignore_eos":true)"));
  const v1::GenerateRequest& prompt = request.prompts[0];
  EXPECT_TRUE(prompt.ignore_eos());
  ASSERT_EQ(prompt.logit_bias_size(), 2);
  EXPECT_EQ(prompt.logit_bias(0).token_id(), 5);
  EXPECT_EQ(prompt.logit_bias(0).bias(), -100);
  EXPECT_EQ(prompt.logit_bias(1).token_id(), 7);
  EXPECT_EQ(prompt.logit_bias(1).bias(), 2.5);
}

TEST(OpenAiRequestTest, FormsOfAnswersAreTaken) {
  constexpr char kSchema[] = R"({"properties":{"b":{"type":"integer"},"a":{}}})";
  for (const auto& [source, value] : std::initializer_list<std::pair<const char*, std::string>>{
           {"response_format",
            absl::StrCat(
                R"({"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":)",
                kSchema, "}}")},
           {"guided_json", kSchema},
           {"guided_json", DumpJson(Json(kSchema))},
           {"structured_outputs", absl::StrCat(R"({"regex":null,"json":)", kSchema, "}")}}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(const OpenAiRequest request,
                                Chat(absl::StrCat(",\"", source, "\":", value)));
    EXPECT_EQ(request.prompts[0].json_schema(), kSchema);
    EXPECT_THAT(request.constraint, StartsWith(source));
  }
  for (const char* fields : {R"("guided_regex":"a+")", R"("structured_outputs":{"regex":"a+"})"}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(
        const OpenAiRequest request,
        Completion(
            absl::StrCat(R"("prompt":["x","y"],"response_format":{"type":"text"},)", fields)));
    EXPECT_EQ(request.prompts[1].regex(), "a+");
  }
  for (const char* fields : {R"(,"response_format":{"type":"json_object"})",
                             R"(,"structured_outputs":{"json_object":true,"choice":null})"}) {
    EXPECT_TRUE(Chat(fields)->prompts[0].json_object());
  }
  for (const char* fields : {R"(,"response_format":null,"guided_json":null,"guided_regex":null)",
                             R"(,"structured_outputs":{"json_object":false})"}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(const OpenAiRequest request, Chat(fields));
    EXPECT_FALSE(HasConstraint(request.prompts[0]));
    EXPECT_EQ(request.constraint, "");
  }
}

TEST(OpenAiRequestTest, WrongFormsOfAnswersAreNamed) {
  for (const auto& [fields, param] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"("response_format":{})", "response_format.type"},
           {R"("response_format":{"type":5})", "response_format.type"},
           {R"("response_format":{"type":"structural_tag"})", "response_format.type"},
           {R"("response_format":{"type":"json_schema"})", "response_format.json_schema"},
           {R"("response_format":{"type":"json_schema","json_schema":[]})",
            "response_format.json_schema"},
           {R"("response_format":{"type":"json_schema","json_schema":{"schema":"{}"}})",
            "response_format.json_schema.schema"},
           {R"("guided_json":[])", "guided_json"},
           {R"("guided_regex":{})", "guided_regex"},
           {R"("structured_outputs":"a+")", "structured_outputs"},
           {R"("structured_outputs":{"json":7})", "structured_outputs.json"},
           {R"("structured_outputs":{"json_object":1})", "structured_outputs.json_object"},
           {R"("structured_outputs":{"choice":["a"]})", "structured_outputs.choice"},
           {R"("guided_regex":"a","guided_json":{})", "guided_regex"},
           {R"("guided_regex":"a","structured_outputs":{"json_object":true})",
            "structured_outputs.json_object"},
           {R"("guided_regex":"a","tools":[{"type":"function","function":{"name":"f"}}])",
            "guided_regex"}}) {
    EXPECT_EQ(Blamed(Chat(absl::StrCat(",", fields))), param) << fields;
  }
}

TEST(OpenAiRequestTest, BodiesThatAreNoObjectsAreRefused) {
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"),
        std::string("{\"a\":1} x"), std::string("\xef\xbb\xbf{}"), std::string("{\"a\":1e999}"),
        std::string("{\"a\":NaN}"), std::string("{\"a\":\"\xff\"}"),
        std::string("{\"a\":\"\\ud800\"}"), std::string("{\"n\":1,\"n\":2}"),
        "{\"a\":" + std::string(1'000'000, '[')}) {
    for (const OpenAiApi api : {OpenAiApi::kChat, OpenAiApi::kCompletions}) {
      EXPECT_EQ(ToHttpError(ParseOpenAiRequest(api, body).status()).status, 400)
          << body.substr(0, 80);
    }
  }
}

TEST(OpenAiRequestTest, MessagesTakePartsToolsAndTheirResults) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const OpenAiRequest request,
      Chat(
          R"(,"tools":[{"type":"function","function":{"name":"f","parameters":{}}}])",
          R"([{"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
               {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function",
                 "function":{"name":"f","arguments":"{\"x\":1}"}}]},
               {"role":"tool","tool_call_id":"1","name":"f","content":"2"}])"));
  const v1::Chat& chat = request.prompts[0].chat();
  EXPECT_TRUE(request.tools);
  EXPECT_EQ(chat.messages(0).role(), "system");
  EXPECT_EQ(chat.messages(0).content(), "ab");
  EXPECT_EQ(chat.messages(1).tool_calls_json(),
            R"([{"id":"1","type":"function","function":{"name":"f","arguments":{"x":1}}}])");
  EXPECT_EQ(chat.messages(2).tool_call_id(), "1");
  EXPECT_EQ(chat.messages(2).name(), "f");
  EXPECT_THAT(chat.tools_json(), HasSubstr("\"name\":\"f\""));

  GANTRY_ASSERT_OK_AND_ASSIGN(
      const OpenAiRequest none,
      Chat(R"(,"tool_choice":"none","tools":[{"type":"function","function":{"name":"f"}}])"));
  EXPECT_FALSE(none.tools);
}

TEST(OpenAiRequestTest, WrongMessagesAreNamedToTheirLastPart) {
  for (const auto& [messages, param] : std::initializer_list<std::pair<const char*, const char*>>{
           {"[]", "messages"},
           {"{}", "messages"},
           {"null", "messages"},
           {"[5]", "messages[0]"},
           {R"([{"content":"x"}])", "messages[0].role"},
           {R"([{"role":"user"}])", "messages[0].content"},
           {R"([{"role":"user","content":7}])", "messages[0].content"},
           {R"([{"role":"user","content":[{"type":"image_url"}]}])", "messages[0].content[0].type"},
           {R"([{"role":"user","content":[5]}])", "messages[0].content[0].type"},
           {R"([{"role":"user","content":[{"type":"text"}]}])", "messages[0].content[0].text"},
           {R"([{"role":"user","content":"x","name":1}])", "messages[0].name"},
           {R"([{"role":"assistant","tool_calls":{}}])", "messages[0].tool_calls"},
           {R"([{"role":"assistant","tool_calls":[{}]}])", "messages[0].tool_calls[0].function"},
           {R"([{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"["}}]}])",
            "messages[0].tool_calls[0].function.arguments"},
       }) {
    EXPECT_EQ(Blamed(Chat("", messages)), param) << messages;
  }
}

TEST(OpenAiRequestTest, CompletionsTakeFourKindsOfPrompts) {
  EXPECT_EQ(Completion(R"("prompt":"a")")->prompts[0].prompt(), "a");
  EXPECT_EQ(Completion(R"("prompt":"a")")->prompts[0].max_new_tokens(), kDefaultMaxTokens);
  EXPECT_EQ(Completion(R"("prompt":["a","b"],"n":2)")->prompts[1].prompt(), "b");
  EXPECT_THAT(Completion(R"("prompt":[5,6])")->prompts[0].token_ids().ids(), ElementsAre(5, 6));
  EXPECT_THAT(Completion(R"("prompt":[[5],[6,7]])")->prompts[1].token_ids().ids(),
              ElementsAre(6, 7));
  for (const char* prompt : {"7", "[]", "{}", "[[]]", "[\"a\",5]", "[5,\"a\"]", "[-1]", "[1.5]",
                             "[4294967296]", "[[[1]]]", "null"}) {
    EXPECT_EQ(Blamed(Completion(absl::StrCat("\"prompt\":", prompt))), "prompt") << prompt;
  }
  EXPECT_EQ(Blamed(Completion(R"("prompt":["a","b"],"n":65)")), "n");
  std::string many = "[\"a\"";
  for (int i = 0; i < kMaxChoices; ++i) many += ",\"a\"";
  EXPECT_EQ(Blamed(Completion(absl::StrCat("\"prompt\":", many, "]"))), "prompt");
}

TEST(OpenAiRequestTest, CompletionLogprobsAreANumber) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const OpenAiRequest request,
                              Completion(R"("prompt":"a","logprobs":0)"));
  EXPECT_TRUE(request.prompts[0].logprobs());
  EXPECT_EQ(request.prompts[0].top_logprobs(), 0);
  EXPECT_FALSE(Completion(R"("prompt":"a","logprobs":null)")->prompts[0].logprobs());
  EXPECT_EQ(Blamed(Completion(R"("prompt":"a","logprobs":21)")), "logprobs");
  EXPECT_EQ(Blamed(Completion(R"("prompt":"a","echo":true)")), "echo");
}

TEST(OpenAiRequestTest, FieldsOfTheEngineGetTheNamesOfTheApi) {
  const auto param = [](OpenAiApi api, const char* message) {
    return ToHttpError(NameFields(api, absl::InvalidArgumentError(message))).param;
  };
  EXPECT_EQ(param(OpenAiApi::kChat, "sampling.top_p: expected"), "top_p");
  EXPECT_EQ(param(OpenAiApi::kChat, "min_new_tokens: expected"), "min_tokens");
  EXPECT_EQ(param(OpenAiApi::kChat, "prompt: expected"), "messages");
  EXPECT_EQ(param(OpenAiApi::kChat, "chat: the template says no"), "messages");
  EXPECT_EQ(param(OpenAiApi::kChat, "chat.messages.role: expected"), "messages.role");
  EXPECT_EQ(param(OpenAiApi::kCompletions, "prompt: expected"), "prompt");
  EXPECT_EQ(param(OpenAiApi::kCompletions, "token_ids[3]: expected"), "prompt[3]");
  for (const char* message :
       {"json_schema: #/type: expected", "regex: byte 1", "json_object: no"}) {
    EXPECT_EQ(ToHttpError(NameFields(OpenAiApi::kChat, absl::FailedPreconditionError(message),
                                     "structured_outputs.json"))
                  .param,
              "structured_outputs.json");
  }
  // A template that never ends is no reason to try again.
  EXPECT_EQ(
      ToHttpError(NameFields(OpenAiApi::kChat, absl::ResourceExhaustedError("chat: steps"))).status,
      400);
}

}  // namespace
}  // namespace gantry
