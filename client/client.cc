#include "client/client.h"

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "client/backoff.h"
#include "proto/channel.h"
#include "proto/retry_info.h"
#include "proto/status.h"

namespace gantry {
namespace {

// One attempt to connect may take this long; a loaded peer 100 ms away needs a tenth of it.
constexpr absl::Duration kConnectTimeout = absl::Seconds(10);
// How soon a cancellation is noticed while waiting, and how often a server is asked if it is ready.
constexpr absl::Duration kPollInterval = absl::Milliseconds(200);

void SetDeadline(const CallOptions& options, grpc::ClientContext* context) {
  if (options.timeout == absl::InfiniteDuration()) return;
  context->set_deadline(absl::ToChronoTime(absl::Now() + options.timeout));
}

absl::Status Cancelled() { return absl::CancelledError("cancelled while waiting for the server"); }

bool IsCancelled(const Cancellation* cancellation) {
  return cancellation != nullptr && cancellation->cancelled();
}

// False when it was cancelled.
bool Wait(absl::Duration time, const Cancellation* cancellation) {
  if (cancellation != nullptr) return !cancellation->CancelledWithin(time);
  absl::SleepFor(time);
  return true;
}

template <typename Request, typename Response>
absl::StatusOr<Response> UnaryCall(v1::Inference::StubInterface* stub,
                                   grpc::Status (v1::Inference::StubInterface::*method)(
                                       grpc::ClientContext*, const Request&, Response*),
                                   const Request& request, const CallOptions& options) {
  grpc::ClientContext context;
  SetDeadline(options, &context);
  const ScopedCall call(options.cancellation, &context);
  Response response;
  GANTRY_RETURN_IF_ERROR(FromGrpcStatus((stub->*method)(&context, request, &response)));
  return response;
}

}  // namespace

std::string RandomClientRequestId() {
  std::random_device random;
  std::string id = "client-";
  for (int i = 0; i < 4; ++i) absl::StrAppend(&id, absl::Hex(random(), absl::kZeroPad8));
  return id;
}

absl::StatusOr<Client> Client::Make(const std::string& target, const Credentials& credentials) {
  GANTRY_RETURN_IF_ERROR(credentials.CheckAddress(target));
  return Client(target, MakeChannel(target, credentials, kCoordinatorRole));
}

Client::Client(std::string target, std::shared_ptr<grpc::Channel> channel)
    : target_(std::move(target)),
      channel_(std::move(channel)),
      stub_(v1::Inference::NewStub(channel_)) {}

absl::Status Client::WaitConnected(absl::Duration patience, Cancellation* cancellation) const {
  const absl::Time start = absl::Now();
  const absl::Time give_up = start + std::max(patience, kConnectTimeout);
  while (true) {
    const grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) return absl::OkStatus();
    const absl::Time now = absl::Now();
    const bool failed = state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN;
    if (now >= give_up || (failed && now >= start + patience)) break;
    if (IsCancelled(cancellation)) return Cancelled();
    channel_->WaitForStateChange(state, absl::ToChronoTime(std::min(now + kPollInterval, give_up)));
  }
  // A call that does not wait for the connection fails with the reason of the last attempt.
  const absl::Status reason = GetStatus({.timeout = kPollInterval}).status();
  if (reason.ok()) return reason;
  return absl::UnavailableError(absl::StrCat(
      "cannot connect to ", target_, ": ", reason.message(),
      "; check that a coordinator listens at this address (--server names it) and, if it uses "
      "certificates, that --tls_cert, --tls_key and --tls_ca are those of its network"));
}

absl::Status Client::WaitReady(absl::Duration patience, Cancellation* cancellation) const {
  const absl::Time give_up = absl::Now() + patience;
  while (true) {
    GANTRY_RETURN_IF_ERROR(
        WaitConnected(std::max(give_up - absl::Now(), absl::ZeroDuration()), cancellation));
    const absl::StatusOr<v1::GetStatusResponse> status =
        GetStatus({.timeout = kConnectTimeout, .cancellation = cancellation});
    if (status.ok() && status->ready()) return absl::OkStatus();
    if (IsCancelled(cancellation)) return Cancelled();
    const bool lost = !status.ok() && (absl::IsUnavailable(status.status()) ||
                                       absl::IsDeadlineExceeded(status.status()));
    if (!status.ok() && !lost) return status.status();
    if (absl::Now() + kPollInterval >= give_up) {
      return absl::UnavailableError(absl::StrCat(
          target_, " is not ready after ", absl::FormatDuration(patience), ": ",
          status.ok() ? absl::string_view(status->reason()) : status.status().message()));
    }
    absl::SleepFor(kPollInterval);
  }
}

absl::Status Client::Generate(
    const v1::GenerateRequest& request, const CallOptions& options,
    absl::FunctionRef<absl::Status(const v1::GenerateResponse&)> on_event) const {
  v1::GenerateRequest asked = request;
  if (options.retry_for > absl::ZeroDuration() && asked.request_id().empty()) {
    asked.set_request_id(RandomClientRequestId());
  }
  CallOptions call = options;
  const absl::Time deadline = absl::Now() + options.timeout;
  Backoff backoff(options.retry_for, Clock::Real());
  int unfinished = request.has_n() ? request.n() : 1;
  int received = request.resume_from();
  absl::Status handled;
  while (true) {
    const absl::Status ended = Stream(asked, call, [&](const v1::GenerateResponse& response) {
      backoff.Reset();
      ++received;
      unfinished -= response.has_finish();
      handled = on_event(response);
      return handled;
    });
    GANTRY_RETURN_IF_ERROR(handled);
    if (ended.ok()) break;
    // Before the first message there is nothing to go on with, and who asked may as well hear why.
    const bool breaks =
        received > 0 && (absl::IsUnavailable(ended) || GetRetryDelay(ended).has_value());
    const std::optional<absl::Duration> wait = breaks ? backoff.After(ended) : std::nullopt;
    if (!wait.has_value()) return ended;
    if (backoff.failures() == 1 && options.on_break != nullptr) options.on_break(ended);
    if (!Wait(std::min(*wait, deadline - absl::Now()), options.cancellation)) return Cancelled();
    asked.set_resume_from(received);
    call.timeout = deadline - absl::Now();
  }
  // What came before the caller's own resume_from may have finished answers.
  if (unfinished > 0 && !request.has_resume_from()) {
    return absl::InternalError(
        absl::StrCat(target_, " ended the stream without a finish message: the answer may be cut"));
  }
  return absl::OkStatus();
}

absl::Status Client::Stream(
    const v1::GenerateRequest& request, const CallOptions& options,
    absl::FunctionRef<absl::Status(const v1::GenerateResponse&)> on_event) const {
  grpc::ClientContext context;
  SetDeadline(options, &context);
  const ScopedCall call(options.cancellation, &context);
  const auto reader = stub_->Generate(&context, request);
  v1::GenerateResponse response;
  while (reader->Read(&response)) {
    if (on_event(response).ok()) continue;
    context.TryCancel();
    break;
  }
  return FromGrpcStatus(reader->Finish());
}

absl::StatusOr<v1::ScoreResponse> Client::Score(const v1::ScoreRequest& request,
                                                const CallOptions& options) const {
  return UnaryCall(stub_.get(), &v1::Inference::StubInterface::Score, request, options);
}

absl::StatusOr<v1::TokenizeResponse> Client::Tokenize(const v1::TokenizeRequest& request,
                                                      const CallOptions& options) const {
  return UnaryCall(stub_.get(), &v1::Inference::StubInterface::Tokenize, request, options);
}

absl::StatusOr<v1::DetokenizeResponse> Client::Detokenize(const v1::DetokenizeRequest& request,
                                                          const CallOptions& options) const {
  return UnaryCall(stub_.get(), &v1::Inference::StubInterface::Detokenize, request, options);
}

absl::StatusOr<v1::GetStatusResponse> Client::GetStatus(const CallOptions& options) const {
  return UnaryCall(stub_.get(), &v1::Inference::StubInterface::GetStatus, v1::GetStatusRequest(),
                   options);
}

absl::StatusOr<v1::GetTracesResponse> Client::GetTraces(const v1::GetTracesRequest& request,
                                                        const CallOptions& options) const {
  return UnaryCall(stub_.get(), &v1::Inference::StubInterface::GetTraces, request, options);
}

}  // namespace gantry
