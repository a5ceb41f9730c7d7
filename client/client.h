#ifndef GANTRY_CLIENT_CLIENT_H_
#define GANTRY_CLIENT_CLIENT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cancellation.h"
#include "grpcpp/grpcpp.h"
#include "proto/credentials.h"
#include "proto/inference.grpc.pb.h"
#include "proto/inference.pb.h"

namespace gantry {

struct CallOptions {
  // From the start of the call to its end; after it the call fails with DEADLINE_EXCEEDED.
  absl::Duration timeout = absl::InfiniteDuration();
  Cancellation* cancellation = nullptr;
  // Of Generate: a stream that breaks with UNAVAILABLE after its first message is asked for again,
  // from where it stopped, until that has failed for so long. 0: never.
  absl::Duration retry_for = absl::ZeroDuration();
  // Told why, once each time a stream breaks that is asked for again; may be null.
  std::function<void(const absl::Status&)> on_break = nullptr;
};

// A request_id; no two requests have the same.
std::string RandomClientRequestId();

// A coordinator, seen from outside: the service gantry.v1.Inference. Errors are the server's own
// (see proto/inference.proto), UNAVAILABLE when it cannot be reached, CANCELLED and
// DEADLINE_EXCEEDED as the options say. Thread-safe: calls may run at the same time.
class Client {
 public:
  // To host:port or unix:PATH. Does not connect yet. FAILED_PRECONDITION when `target` is remote
  // and the credentials are plain text that was not allowed there.
  static absl::StatusOr<Client> Make(const std::string& target, const Credentials& credentials);

  const std::string& target() const { return target_; }

  // UNAVAILABLE, naming the address, the reason and what to check, unless a connection is made.
  // A failed attempt is repeated for as long as `patience`; one attempt is always made.
  absl::Status WaitConnected(absl::Duration patience, Cancellation* cancellation = nullptr) const;
  // The same, and until the server says that it serves a model.
  absl::Status WaitReady(absl::Duration patience, Cancellation* cancellation = nullptr) const;

  // Calls `on_event` with each message in turn; the last one has `finish`. An error from it cancels
  // the call and is returned. A request that may be asked for again and has no request_id gets one.
  absl::Status Generate(
      const v1::GenerateRequest& request, const CallOptions& options,
      absl::FunctionRef<absl::Status(const v1::GenerateResponse&)> on_event) const;

  absl::StatusOr<v1::ScoreResponse> Score(const v1::ScoreRequest& request,
                                          const CallOptions& options = {}) const;
  absl::StatusOr<v1::TokenizeResponse> Tokenize(const v1::TokenizeRequest& request,
                                                const CallOptions& options = {}) const;
  absl::StatusOr<v1::DetokenizeResponse> Detokenize(const v1::DetokenizeRequest& request,
                                                    const CallOptions& options = {}) const;
  absl::StatusOr<v1::GetStatusResponse> GetStatus(const CallOptions& options = {}) const;
  absl::StatusOr<v1::GetTracesResponse> GetTraces(const v1::GetTracesRequest& request,
                                                  const CallOptions& options = {}) const;

 private:
  // One stream of Generate.
  absl::Status Stream(const v1::GenerateRequest& request, const CallOptions& options,
                      absl::FunctionRef<absl::Status(const v1::GenerateResponse&)> on_event) const;

  Client(std::string target, std::shared_ptr<grpc::Channel> channel);

  std::string target_;
  std::shared_ptr<grpc::Channel> channel_;
  std::shared_ptr<v1::Inference::StubInterface> stub_;
};

}  // namespace gantry

#endif  // GANTRY_CLIENT_CLIENT_H_
