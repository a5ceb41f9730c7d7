#include "coordinator/listen_address.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace gantry {
namespace {

constexpr size_t kMaxSocketPath = 107;  // sockaddr_un

absl::string_view PortOf(absl::string_view address) {
  const size_t colon = address.rfind(':');
  return colon == absl::string_view::npos ? absl::string_view() : address.substr(colon + 1);
}

}  // namespace

std::string HostOfAddress(absl::string_view address) {
  return std::string(address.substr(0, address.rfind(':')));
}

bool IsHostPort(absl::string_view address) {
  int port;
  return !HostOfAddress(address).empty() && absl::SimpleAtoi(PortOf(address), &port) && port >= 0 &&
         port <= 65535;
}

absl::Status CheckListenAddress(absl::string_view listen, absl::string_view advertise) {
  if (absl::ConsumePrefix(&listen, "unix:")) {
    if (!listen.empty() && listen.size() <= kMaxSocketPath) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("--listen: expected a path of 1 to ",
                                                   kMaxSocketPath, " bytes after unix:, found ",
                                                   listen.size()));
  }
  if (!IsHostPort(listen)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen: expected HOST:PORT or unix:PATH, found \"", listen, "\""));
  }
  const std::string host = HostOfAddress(listen);
  if (advertise.empty() && (host == "0.0.0.0" || host == "[::]" || host == "*")) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen=", listen,
                     " does not say where workers reach this coordinator; add "
                     "--advertise=HOST:PORT"));
  }
  return absl::OkStatus();
}

absl::Status ExplainListenFailure(absl::string_view address) {
  const auto failed = [address](absl::string_view why) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address, ": ", why));
  };
  if (absl::StartsWith(address, "unix:")) return failed("the socket cannot be made there");
  std::string host = HostOfAddress(address);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int resolved =
      getaddrinfo(host.c_str(), std::string(PortOf(address)).c_str(), &hints, &found);
  if (resolved != 0) return failed(gai_strerror(resolved));
  int error = 0;
  const int fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
  if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0) error = errno;
  if (fd >= 0) close(fd);
  freeaddrinfo(found);
  if (error == EADDRINUSE) {
    return failed("the port is in use (EADDRINUSE); stop what uses it or choose another --listen");
  }
  return failed(error != 0 ? strerror(error) : "gRPC does not say why");
}

}  // namespace gantry
