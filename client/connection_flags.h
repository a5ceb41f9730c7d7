#ifndef GANTRY_CLIENT_CONNECTION_FLAGS_H_
#define GANTRY_CLIENT_CONNECTION_FLAGS_H_

#include "absl/status/status.h"
#include "client/client.h"

namespace gantry {

// The flags by which every client program finds its server: --server, --wait, --tls_cert,
// --tls_key, --tls_ca and --insecure_allow_remote.

// Not connected yet. Ends the process with code 2 when the flags contradict each other.
Client ClientFromFlags();
// UNAVAILABLE unless the server is connected, and with --wait also ready, in time.
absl::Status ConnectAsFlagsSay(const Client& client, Cancellation* cancellation);

}  // namespace gantry

#endif  // GANTRY_CLIENT_CONNECTION_FLAGS_H_
