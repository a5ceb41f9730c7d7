#ifndef GANTRY_COORDINATOR_HTTP_ALLOWED_HOSTS_H_
#define GANTRY_COORDINATOR_HTTP_ALLOWED_HOSTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry {

// Which names a server answers to. A web page whose name is made to point at this machine (DNS
// rebinding) sends that name, which is not among them. Addresses are, for no name leads to those.
class AllowedHosts {
 public:
  // `listen` is the server's HOST:PORT; `more` are names, without ports.
  AllowedHosts(absl::string_view listen, const std::vector<std::string>& more);

  // PERMISSION_DENIED for a Host that is not allowed, or for the Origin of a page of another
  // server: the browser would hide the answer from that page, but not undo what it started.
  absl::Status Check(absl::string_view host, absl::string_view origin) const;

 private:
  std::vector<std::string> names_;  // lower case
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_ALLOWED_HOSTS_H_
