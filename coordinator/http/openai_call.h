#ifndef GANTRY_COORDINATOR_HTTP_OPENAI_CALL_H_
#define GANTRY_COORDINATOR_HTTP_OPENAI_CALL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "coordinator/engine_loop.h"
#include "coordinator/http/exchange.h"
#include "coordinator/http/openai_request.h"
#include "coordinator/http/openai_response.h"
#include "coordinator/http/tool_calls.h"
#include "coordinator/request.h"

namespace gantry {

// A request that was checked, ready for the engine.
struct OpenAiWork {
  OpenAiRequest request;
  std::vector<Request> prompts;  // as request.prompts
  std::string model;             // as it is called in the answer
  bool find_tool_calls = false;
  const Tokenizer* tokenizer = nullptr;  // null: the model has none
};

// The answer to one request of OpenAI's API: hands every prompt to the engine as a request of n
// answers and puts together what comes back, whole or as a stream. A client that goes cancels them
// all, and so does an error in one of them. Keeps itself alive. On the server's thread.
class OpenAiCall : public std::enable_shared_from_this<OpenAiCall> {
 public:
  static void Start(std::shared_ptr<Exchange> exchange, EngineLoop* engine, OpenAiWork work);

 private:
  class Sink;
  struct Choice {
    ChoicePart whole;  // of a stream only what later chunks need
    bool role_sent = false;
    std::optional<ToolCallText> calls;
    int64_t prompt_tokens = 0;
    int64_t tokens = 0;
  };

  OpenAiCall(std::shared_ptr<Exchange> exchange, EngineLoop* engine, OpenAiWork work);
  void Submit();
  void OnToken(int index, v1::GeneratedToken token);
  void OnFinish(int index, const v1::Finish& finish);
  void OnError(const absl::Status& status);

  // What `text` adds to a choice. With `finish` it is the last.
  ChoicePart NewPart(Choice* choice, absl::string_view text, bool finish);
  void Deliver(Choice* choice, ChoicePart part);
  void BeginStream();
  void Stream(const Json& json);
  void KeepAlive();
  void End();
  void CancelAll();
  // Nothing more is to come: settles the key's account.
  void Close();
  Usage TotalUsage() const;

  const std::shared_ptr<Exchange> exchange_;
  EngineLoop* const engine_;
  const OpenAiWork work_;
  const AnswerHead head_;
  const bool logprobs_;
  std::shared_ptr<KeyUse> key_;
  std::vector<uint64_t> requests_;  // the engine's numbers, of each prompt
  std::vector<Choice> choices_;
  int unfinished_ = 0;
  bool streaming_ = false;
  bool closed_ = false;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_OPENAI_CALL_H_
