#ifndef GANTRY_PROTO_STATUS_H_
#define GANTRY_PROTO_STATUS_H_

#include "absl/status/status.h"
#include "grpcpp/grpcpp.h"

namespace gantry {

// The two have the same codes. A message that is not UTF-8 is made so, because gRPC drops others.
// Payloads go as the details of a google.rpc.Status.
grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace gantry

#endif  // GANTRY_PROTO_STATUS_H_
