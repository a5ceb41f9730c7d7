#ifndef GANTRY_PROTO_GRPC_LOG_H_
#define GANTRY_PROTO_GRPC_LOG_H_

#include <string>

#include "absl/strings/string_view.h"

namespace gantry {

// Sends gRPC's own messages to our log, as warnings: its errors, and a sentence for each failed
// handshake, so that a peer without a good certificate leaves a trace. The rest is dropped, and so
// is what was said within the last seconds. To be called before gRPC is used.
void RouteGrpcLog();

// What is logged for a message of gRPC's; empty for nothing. Internals such as addresses of memory
// do not get through.
std::string DescribeGrpcMessage(absl::string_view message, bool is_error);

}  // namespace gantry

#endif  // GANTRY_PROTO_GRPC_LOG_H_
