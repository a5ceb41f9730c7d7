#include "client/chat_loop.h"

#include <signal.h>

#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "client/generate_call.h"

namespace gantry {
namespace {

class ChatLoop {
 public:
  ChatLoop(const GenerateOptions& options, const Client& client, Interrupts* interrupts,
           Output* output, Output* errors)
      : options_(options),
        client_(client),
        interrupts_(interrupts),
        output_(output),
        errors_(errors),
        request_(MakeGenerateRequest(options)) {
    Reset();
  }

  absl::Status Run(std::istream& input) {
    std::optional<std::string> message = options_.chat;
    while (true) {
      if (message.has_value()) GANTRY_RETURN_IF_ERROR(Handle(*message));
      if (output_->terminal()) GANTRY_RETURN_IF_ERROR(output_->Write(kChatPrompt));
      std::string line;
      if (!std::getline(input, line)) return output_->FinishLine();
      message = std::string(absl::StripAsciiWhitespace(line));
    }
  }

 private:
  void Reset() { *request_.mutable_chat() = BeginChat(options_); }

  absl::Status Handle(const std::string& message) {
    if (message.empty()) return absl::OkStatus();
    if (message == "/reset") {
      Reset();
      return errors_->Write("(forgotten)\n");
    }
    if (message == "/help") {
      return errors_->Write(
          "(Ctrl-C stops an answer, Ctrl-D leaves, /reset forgets what was said)\n");
    }
    return Ask(message);
  }

  absl::Status Ask(const std::string& message) {
    AddMessage("user", ReplaceInvalidUtf8(message), request_.mutable_chat());
    std::string answer;
    InterruptibleCall call(interrupts_);
    const absl::Status status =
        client_.Generate(request_, MakeCallOptions(options_, call.cancellation(), errors_),
                         [&](const v1::GenerateResponse& event) {
                           const std::string& text =
                               event.has_finish() ? event.finish().text() : event.token().text();
                           answer += text;
                           return output_->Write(text);
                         });
    if (output_->closed()) return status;
    GANTRY_RETURN_IF_ERROR(output_->Write("\n"));
    const bool interrupted = call.cancellation()->cancelled();
    if (status.ok() || (interrupted && !answer.empty())) {
      AddMessage("assistant", answer, request_.mutable_chat());
    } else {
      request_.mutable_chat()->mutable_messages()->RemoveLast();
    }
    if (interrupted && interrupts_->last_signal() == SIGTERM) return status;
    if (status.ok() || interrupted) return absl::OkStatus();
    return errors_->Write(absl::StrCat("generate: ", status.ToString(), "\n"));
  }

  const GenerateOptions& options_;
  const Client& client_;
  Interrupts* const interrupts_;
  Output* const output_;
  Output* const errors_;
  v1::GenerateRequest request_;
};

}  // namespace

absl::Status RunChatLoop(const GenerateOptions& options, const Client& client,
                         Interrupts* interrupts, std::istream& input, Output* output,
                         Output* errors) {
  return ChatLoop(options, client, interrupts, output, errors).Run(input);
}

}  // namespace gantry
