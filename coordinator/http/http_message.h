#ifndef GANTRY_COORDINATOR_HTTP_HTTP_MESSAGE_H_
#define GANTRY_COORDINATOR_HTTP_HTTP_MESSAGE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gantry {

class KeyUse;

// What of a request anyone here asks for. Bytes of a client, as they came; header fields that the
// request does not have are empty.
struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // of the target, without the query
  std::string host;
  std::string origin;
  std::string authorization;
  std::string if_none_match;
  std::string id;  // its X-Request-Id where that can be one, or else chosen; its answer has it too
  std::string body;
  // Whose key it came with; null where none is asked for. Held until the answer has ended.
  std::shared_ptr<KeyUse> key;
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;  // name, value

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  HttpHeaders headers;  // besides Content-Type, Content-Length and Connection
  std::string body;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_HTTP_MESSAGE_H_
