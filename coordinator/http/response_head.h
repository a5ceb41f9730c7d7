#ifndef GANTRY_COORDINATOR_HTTP_RESPONSE_HEAD_H_
#define GANTRY_COORDINATOR_HTTP_RESPONSE_HEAD_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "coordinator/http/http_message.h"

namespace gantry {

// How a body is told apart from what follows it (RFC 9112, section 6).
struct BodyFraming {
  std::optional<uint64_t> length;  // absent: chunked, or up to the end of the connection
  bool chunked = false;
};

inline constexpr char kRequestIdHeader[] = "X-Request-Id";

// Status line and header fields with the empty line after them. Values must not hold line breaks:
// they come from this program, or are ids that it has checked.
std::string ResponseHead(const HttpResponse& response, const BodyFraming& framing, bool keep_alive);

// A chunk of a chunked body. Not for an empty one, which would end the body.
std::string Chunk(absl::string_view bytes);
inline constexpr char kLastChunk[] = "0\r\n\r\n";

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_RESPONSE_HEAD_H_
