#ifndef GANTRY_PROTO_HOST_ID_H_
#define GANTRY_PROTO_HOST_ID_H_

#include <string>

namespace gantry {

// Equal for two processes that can talk over a UNIX socket in a folder only their user may enter:
// same boot of the same kernel, same network namespace, same user. Empty when that cannot be told.
std::string HostId();

}  // namespace gantry

#endif  // GANTRY_PROTO_HOST_ID_H_
