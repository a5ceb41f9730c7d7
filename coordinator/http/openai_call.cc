#include "coordinator/http/openai_call.h"

#include <utility>

#include "coordinator/http/http_error.h"
#include "coordinator/http/key_meter.h"
#include "coordinator/http/logprobs_json.h"
#include "coordinator/http/sse.h"
#include "proto/message_json.h"

namespace gantry {
namespace {

// Up to then an error still gets a status of its own; afterwards the stream is open.
constexpr absl::Duration kKeepAlive = absl::Seconds(2);

}  // namespace

// Of the choices of one prompt: takes the engine's events to the server's thread.
class OpenAiCall::Sink : public RequestSink {
 public:
  // `first` is the index of the first choice.
  Sink(std::shared_ptr<OpenAiCall> call, int first) : call_(std::move(call)), first_(first) {}

  void OnToken(v1::GeneratedToken token) override {
    const int index = first_ + token.sequence_index();
    call_->exchange_->Post([call = call_, index, token = std::move(token)]() mutable {
      call->OnToken(index, std::move(token));
    });
  }
  void OnScored(v1::ScoredToken) override {}
  void OnFinish(v1::Finish finish) override {
    const int index = first_ + finish.sequence_index();
    call_->exchange_->Post(
        [call = call_, index, finish = std::move(finish)] { call->OnFinish(index, finish); });
  }
  void OnError(const absl::Status& status) override {
    call_->exchange_->Post([call = call_, status] { call->OnError(status); });
  }

 private:
  const std::shared_ptr<OpenAiCall> call_;
  const int first_;
};

void OpenAiCall::Start(std::shared_ptr<Exchange> exchange, EngineLoop* engine, OpenAiWork work) {
  std::shared_ptr<OpenAiCall> call(new OpenAiCall(std::move(exchange), engine, std::move(work)));
  call->exchange_->OnClosed([call] {
    call->CancelAll();
    call->Close();
  });
  if (call->work_.request.stream) {
    call->exchange_->OnQuiet(kKeepAlive, [call] { call->KeepAlive(); });
  }
  call->Submit();
}

OpenAiCall::OpenAiCall(std::shared_ptr<Exchange> exchange, EngineLoop* engine, OpenAiWork work)
    : exchange_(std::move(exchange)),
      engine_(engine),
      work_(std::move(work)),
      head_(MakeAnswerHead(work_.request.api, work_.model)),
      logprobs_(work_.request.prompts[0].logprobs()),
      key_(exchange_->request().key) {}

void OpenAiCall::Submit() {
  for (const Request& prompt : work_.prompts) {
    const int first = choices_.size();
    for (int i = 0; i < work_.request.n; ++i) {
      Choice& choice = choices_.emplace_back();
      choice.whole.index = first + i;
      choice.prompt_tokens = i == 0 ? prompt.prompt.size() : 0;  // n choices share one prompt
      if (work_.find_tool_calls) choice.calls.emplace();
    }
    Request request = prompt;
    request.n = work_.request.n;
    if (key_ != nullptr) request.client = key_->name();
    requests_.push_back(engine_->Submit(std::move(request),
                                        std::make_shared<Sink>(shared_from_this(), first),
                                        absl::InfiniteDuration()));
  }
  unfinished_ = choices_.size();
}

void OpenAiCall::OnToken(int index, v1::GeneratedToken token) {
  if (closed_) return;
  Choice& choice = choices_[index];
  ++choice.tokens;
  ChoicePart part = NewPart(&choice, token.text(), /*finish=*/false);
  if (logprobs_) part.tokens.push_back(std::move(token));
  Deliver(&choice, std::move(part));
}

void OpenAiCall::OnFinish(int index, const v1::Finish& finish) {
  if (closed_) return;
  Choice& choice = choices_[index];
  ChoicePart part = NewPart(&choice, finish.text(), /*finish=*/true);
  const bool calls = choice.whole.first_call + part.calls.size() > 0;
  part.finish_reason = calls && finish.reason() == v1::FINISH_REASON_STOP
                           ? "tool_calls"
                           : std::string(FinishReasonName(finish.reason()));
  Deliver(&choice, std::move(part));
  if (--unfinished_ == 0) End();
}

void OpenAiCall::OnError(const absl::Status& status) {
  if (closed_) return;
  CancelAll();
  if (streaming_) {
    exchange_->Write(SseEvent(ErrorJson(ToHttpError(status))));
    exchange_->Cut();
  } else {
    exchange_->Respond(ErrorResponse(status));
  }
  Close();
}

ChoicePart OpenAiCall::NewPart(Choice* choice, absl::string_view text, bool finish) {
  ChoicePart part;
  part.index = choice->whole.index;
  part.first_call = choice->whole.first_call;
  part.text_offset = choice->whole.text_offset;
  if (!choice->calls.has_value()) {
    part.text = std::string(text);
    return part;
  }
  ToolCallText::Piece piece = choice->calls->Add(text);
  part.text = std::move(piece.text);
  part.calls = std::move(piece.calls);
  if (finish) {
    piece = choice->calls->Finish();
    part.text += piece.text;
    for (ToolCall& call : piece.calls) part.calls.push_back(std::move(call));
  }
  return part;
}

void OpenAiCall::Deliver(Choice* choice, ChoicePart part) {
  ChoicePart& whole = choice->whole;
  whole.first_call += part.calls.size();
  if (!work_.request.stream) {
    whole.text += part.text;
    for (v1::GeneratedToken& token : part.tokens) whole.tokens.push_back(std::move(token));
    for (ToolCall& call : part.calls) whole.calls.push_back(std::move(call));
    whole.finish_reason = std::move(part.finish_reason);
    return;
  }
  if (logprobs_ && head_.api == OpenAiApi::kCompletions) {
    whole.text_offset += CharactersOf(part.tokens, work_.tokenizer);
  }
  BeginStream();
  if (!choice->role_sent && head_.api == OpenAiApi::kChat) {
    Stream(RoleChunk(head_, whole.index, work_.request.include_usage));
  }
  choice->role_sent = true;
  if (part.text.empty() && part.tokens.empty() && part.calls.empty() &&
      part.finish_reason.empty()) {
    return;
  }
  Stream(ChunkJson(head_, part, logprobs_, work_.tokenizer, work_.request.include_usage));
}

void OpenAiCall::BeginStream() {
  if (streaming_) return;
  streaming_ = true;
  exchange_->BeginStream(SseHead());
}

void OpenAiCall::Stream(const Json& json) { exchange_->Write(SseEvent(json)); }

void OpenAiCall::KeepAlive() {
  BeginStream();
  exchange_->Write(kSseKeepAlive);
}

void OpenAiCall::End() {
  if (work_.request.stream) {
    if (work_.request.include_usage) Stream(UsageChunk(head_, TotalUsage()));
    exchange_->Write(kSseDone);
    exchange_->EndStream();
  } else {
    std::vector<ChoicePart> parts;
    for (Choice& choice : choices_) {
      choice.whole.first_call = 0;
      parts.push_back(std::move(choice.whole));
    }
    HttpResponse response;
    response.body = DumpJson(WholeAnswer(head_, parts, TotalUsage(), logprobs_, work_.tokenizer));
    exchange_->Respond(std::move(response));
  }
  Close();
}

void OpenAiCall::CancelAll() {
  for (const uint64_t request : requests_) {
    engine_->Cancel(request, absl::CancelledError("the client is gone"));
  }
}

void OpenAiCall::Close() {
  if (closed_) return;
  closed_ = true;
  if (key_ == nullptr) return;
  const Usage usage = TotalUsage();
  key_->Charge(usage.prompt_tokens + usage.completion_tokens);
  key_ = nullptr;
}

Usage OpenAiCall::TotalUsage() const {
  Usage usage;
  for (const Choice& choice : choices_) {
    usage.prompt_tokens += choice.prompt_tokens;
    usage.completion_tokens += choice.tokens;
  }
  return usage;
}

}  // namespace gantry
