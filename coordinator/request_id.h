#ifndef GANTRY_COORDINATOR_REQUEST_ID_H_
#define GANTRY_COORDINATOR_REQUEST_ID_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace gantry {

// By which logs, traces and headers name a request. They are what clients give them, so that two
// requests may have the same; and may go wherever a word may, since nothing else is let in.

inline constexpr int kMaxIdBytes = 128;

// Initial metadata of Generate.
inline constexpr char kRequestIdMetadata[] = "gantry-request-id";

// 1 to kMaxIdBytes printable ASCII characters without spaces.
bool IsRequestId(absl::string_view id);

std::string RequestIdOf(uint64_t random);
std::string RandomRequestId();

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_REQUEST_ID_H_
