#ifndef GANTRY_COORDINATOR_LISTEN_ADDRESS_H_
#define GANTRY_COORDINATOR_LISTEN_ADDRESS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry {

// "HOST" of "HOST:PORT", brackets of IPv6 included.
std::string HostOfAddress(absl::string_view address);

// Whether this is HOST:PORT, with a port of 0 to 65535.
bool IsHostPort(absl::string_view address);

// INVALID_ARGUMENT unless `listen` is HOST:PORT or unix:PATH, and for an address of every interface
// without `advertise`, since that tells a worker nothing.
absl::Status CheckListenAddress(absl::string_view listen, absl::string_view advertise);

// UNAVAILABLE with the system's reason why `address` cannot be listened on: gRPC has only a null
// pointer to say.
absl::Status ExplainListenFailure(absl::string_view address);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_LISTEN_ADDRESS_H_
