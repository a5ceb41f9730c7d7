#ifndef GANTRY_COORDINATOR_HTTP_HTTP_OPTIONS_H_
#define GANTRY_COORDINATOR_HTTP_HTTP_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace gantry {

// What one peer may take of a server.
struct HttpLimits {
  uint32_t max_head_bytes = 16 << 10;  // request line and header fields
  int max_headers = 100;
  uint64_t max_body_bytes = 10 << 20;
  uint64_t max_bodies_bytes = 256 << 20;  // of all requests that are being read
  int max_connections = 4096;
  size_t max_unsent_bytes = 1 << 20;                 // of a stream, before its reader is cut off
  absl::Duration head_timeout = absl::Seconds(10);   // from a request's first byte to its body
  absl::Duration body_timeout = absl::Seconds(60);   // for the whole body
  absl::Duration idle_timeout = absl::Seconds(75);   // between requests
  absl::Duration write_timeout = absl::Seconds(30);  // in which a reader takes nothing
  absl::Duration linger_timeout = absl::Seconds(2);  // for the client to take a last response
};

// Of one API key; 0: no limit.
struct KeyLimits {
  int64_t requests_per_minute = 0;
  int64_t tokens_per_minute = 0;  // of prompts and answers
  int64_t concurrent_requests = 0;
};

struct HttpOptions {
  std::string listen;                      // HOST:PORT; empty: no HTTP
  std::vector<std::string> allowed_hosts;  // names in Host besides those that are known anyway
  std::string api_key_file;                // empty: no keys are asked for
  KeyLimits key_limits;
  std::string model_name;  // as clients call the model; empty: as the coordinator does
  HttpLimits limits;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_HTTP_OPTIONS_H_
