#include "proto/channel.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/host_id.h"
#include "proto/step_frame.h"

namespace gantry {
namespace {

// A peer whose machine is gone is noticed after the sum of the two.
constexpr int kKeepaliveTimeMs = 5000;
constexpr int kKeepaliveTimeoutMs = 5000;
// Of one attempt, with its handshake: a busy machine may take longer than a pause between attempts.
constexpr int kConnectTimeoutMs = 5000;

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target,
                                           const Credentials& credentials, absl::string_view role) {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(kMaxStepFrameBytes);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);  // so gRPC calls it
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  if (absl::StartsWith(target, "unix:")) {
    return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), args);
  }
  if (credentials.tls()) args.SetSslTargetNameOverride(std::string(role));
  return grpc::CreateCustomChannel(target, credentials.Channel(), args);
}

std::shared_ptr<grpc::Channel> MakeChannel(const v1::Endpoint& endpoint,
                                           const Credentials& credentials, absl::string_view role) {
  const std::string here = HostId();
  if (!endpoint.unix_path().empty() && !here.empty() && endpoint.host_id() == here) {
    return MakeChannel(absl::StrCat("unix:", endpoint.unix_path()), credentials, role);
  }
  return MakeChannel(endpoint.address(), credentials, role);
}

void ConfigureServer(grpc::ServerBuilder* builder, int max_message_bytes) {
  builder->SetMaxReceiveMessageSize(max_message_bytes);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  // A second server on a taken port must fail rather than share it.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

absl::Status WaitConnected(grpc::Channel* channel, absl::Duration timeout, absl::string_view what) {
  if (channel->WaitForConnected(absl::ToChronoTime(absl::Now() + timeout))) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("cannot connect to ", what, " within ", absl::FormatDuration(timeout)));
}

}  // namespace gantry
