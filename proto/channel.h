#ifndef GANTRY_PROTO_CHANNEL_H_
#define GANTRY_PROTO_CHANNEL_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "proto/credentials.h"
#include "proto/registry.pb.h"

namespace gantry {

// A connection of its own to host:port or unix:PATH, of a server with a certificate for `role`,
// with keepalive and no HTTP proxy. The channel connects when it is first used.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target,
                                           const Credentials& credentials, absl::string_view role);

// To `endpoint` by its UNIX socket when this process shares its host, else by its address.
std::shared_ptr<grpc::Channel> MakeChannel(const v1::Endpoint& endpoint,
                                           const Credentials& credentials, absl::string_view role);

// What every server of ours sets: the largest message it takes, and the pings that MakeChannel's
// keepalive needs.
void ConfigureServer(grpc::ServerBuilder* builder, int max_message_bytes);

// UNAVAILABLE, naming `what`, unless the channel connects in time.
absl::Status WaitConnected(grpc::Channel* channel, absl::Duration timeout, absl::string_view what);

}  // namespace gantry

#endif  // GANTRY_PROTO_CHANNEL_H_
