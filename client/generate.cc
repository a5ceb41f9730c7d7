#include "client/generate.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "client/event_printer.h"
#include "client/generate_call.h"
#include "client/status_text.h"
#include "client/trace_text.h"
#include "proto/message_json.h"

namespace gantry {
namespace {

absl::Status WriteJson(const Json& json, Output* output) {
  return output->Write(DumpJson(json) + "\n");
}

absl::Status PrintTrace(const std::string& id, const GenerateOptions& options, const Client& client,
                        const CallOptions& call, Output* output) {
  v1::GetTracesRequest request;
  request.set_request_id(id);
  GANTRY_ASSIGN_OR_RETURN(const v1::GetTracesResponse found, client.GetTraces(request, call));
  if (found.traces().empty()) return absl::InternalError("the server has no trace of the answer");
  const v1::RequestTrace& trace = found.traces(0);
  if (options.json) {
    return WriteJson(Json{{"trace", TraceJson(trace, /*steps=*/true)}}, output);
  }
  // The answer's last line has ended where a person reads.
  return output->Write(absl::StrCat(output->terminal() ? "\n" : "\n\n", TraceText(trace)));
}

absl::Status RunText(const GenerateOptions& options, const Client& client, const CallOptions& call,
                     Output* output) {
  v1::GenerateRequest request = MakeGenerateRequest(options);
  if (options.trace && request.request_id().empty())
    request.set_request_id(RandomClientRequestId());
  EventFormat format = request.logprobs() ? EventFormat::kLogprobs : EventFormat::kText;
  if (options.json) {
    format = request.logprobs() ? EventFormat::kJson : EventFormat::kJsonWithoutLogprobs;
  }
  const std::unique_ptr<EventPrinter> printer = MakeEventPrinter(format, options.n, output);
  const absl::Status status = client.Generate(
      request, call,
      [&printer](const v1::GenerateResponse& event) { return printer->Print(event); });
  const absl::Status finished = output->closed() ? absl::OkStatus() : output->FinishLine();
  GANTRY_RETURN_IF_ERROR(status);
  GANTRY_RETURN_IF_ERROR(finished);
  return options.trace ? PrintTrace(request.request_id(), options, client, call, output)
                       : absl::OkStatus();
}

absl::Status RunScore(const GenerateOptions& options, const Client& client, const CallOptions& call,
                      Output* output) {
  v1::ScoreRequest request;
  request.set_top_logprobs(options.top_logprobs);
  if (options.token_ids.has_value()) {
    request.mutable_token_ids()->mutable_ids()->Assign(options.token_ids->begin(),
                                                       options.token_ids->end());
  } else {
    // The tokens that Generate would be given.
    v1::TokenizeRequest text = MakeTokenizeRequest(options);
    text.set_add_special_tokens(options.add_special_tokens.value_or(true));
    GANTRY_ASSIGN_OR_RETURN(const v1::TokenizeResponse tokens, client.Tokenize(text, call));
    *request.mutable_token_ids()->mutable_ids() = tokens.token_ids();
  }
  GANTRY_ASSIGN_OR_RETURN(const v1::ScoreResponse response, client.Score(request, call));
  return WriteJson(ScoreJson(response, options.top_logprobs > 0), output);
}

absl::Status RunTokenize(const GenerateOptions& options, const Client& client,
                         const CallOptions& call, Output* output) {
  GANTRY_ASSIGN_OR_RETURN(const v1::TokenizeResponse response,
                          client.Tokenize(MakeTokenizeRequest(options), call));
  if (!options.json) return output->Write(absl::StrJoin(response.token_ids(), ",") + "\n");
  Json ids = Json::array();
  for (int32_t id : response.token_ids()) ids.push_back(id);
  return WriteJson(Json{{"token_ids", std::move(ids)}, {"text", response.text()}}, output);
}

absl::Status RunDetokenize(const GenerateOptions& options, const Client& client,
                           const CallOptions& call, Output* output) {
  v1::DetokenizeRequest request;
  request.mutable_token_ids()->Assign(options.token_ids->begin(), options.token_ids->end());
  request.set_skip_special_tokens(options.skip_special_tokens);
  GANTRY_ASSIGN_OR_RETURN(const v1::DetokenizeResponse response, client.Detokenize(request, call));
  if (options.json) return WriteJson(Json{{"text", response.text()}}, output);
  GANTRY_RETURN_IF_ERROR(output->Write(response.text()));
  return output->FinishLine();
}

absl::Status RunStatus(const GenerateOptions& options, const Client& client,
                       const CallOptions& call, Output* output) {
  GANTRY_ASSIGN_OR_RETURN(const v1::GetStatusResponse status, client.GetStatus(call));
  if (options.json) return WriteJson(StatusJson(status), output);
  return output->Write(StatusText(status));
}

absl::Status RunAction(const GenerateOptions& options, const Client& client,
                       Cancellation* cancellation, Output* output, Output* errors) {
  const CallOptions call = MakeCallOptions(options, cancellation, errors);
  switch (options.action) {
    case GenerateOptions::Action::kGenerate:
      return RunText(options, client, call, output);
    case GenerateOptions::Action::kScore:
      return RunScore(options, client, call, output);
    case GenerateOptions::Action::kTokenize:
      return RunTokenize(options, client, call, output);
    case GenerateOptions::Action::kDetokenize:
      return RunDetokenize(options, client, call, output);
    case GenerateOptions::Action::kStatus:
      return RunStatus(options, client, call, output);
    case GenerateOptions::Action::kInteractive:
      break;
  }
  return absl::InternalError("an interactive chat is no single call");
}

}  // namespace

absl::Status RunGenerate(const GenerateOptions& options, const Client& client,
                         Cancellation* cancellation, Output* output, Output* errors) {
  const absl::Status status = RunAction(options, client, cancellation, output, errors);
  if (!absl::IsDeadlineExceeded(status) || options.timeout == absl::InfiniteDuration())
    return status;
  // gRPC's own message is "Deadline Exceeded".
  return absl::DeadlineExceededError(absl::StrCat(client.target(),
                                                  " did not complete its answer within --timeout ",
                                                  absl::FormatDuration(options.timeout)));
}

}  // namespace gantry
