#ifndef GANTRY_PROTO_GRPC_LOG_H_
#define GANTRY_PROTO_GRPC_LOG_H_

namespace gantry {

// Sends gRPC's own messages to our log: errors, and as warnings whatever it says about failed
// handshakes, so that a peer without a good certificate leaves a trace. The rest is dropped. To be
// called before gRPC is used.
void RouteGrpcLog();

}  // namespace gantry

#endif  // GANTRY_PROTO_GRPC_LOG_H_
