#ifndef GANTRY_BASE_VERSION_H_
#define GANTRY_BASE_VERSION_H_

#include <cstdint>

namespace gantry {

// The release, e.g. "0.1.0".
extern const char kVersion[];

// Number of the wire protocol between coordinator and workers. A worker of another number is
// refused when it joins, so the messages in proto/ may change freely as long as this changes too.
inline constexpr uint32_t kProtocolVersion = 2;

}  // namespace gantry

#endif  // GANTRY_BASE_VERSION_H_
