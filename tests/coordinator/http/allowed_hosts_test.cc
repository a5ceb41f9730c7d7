#include "coordinator/http/allowed_hosts.h"

#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

TEST(AllowedHostsTest, KnowsLoopbackAddressesTheListeningHostAndThoseGiven) {
  const AllowedHosts hosts("head.example:8000", {"Proxy.example"});
  for (const char* host :
       {"localhost", "LOCALHOST:8000", "a.localhost:1", "127.0.0.1:8000", "[::1]:8000", "[::1]",
        "192.168.1.7", "head.example:8000", "proxy.example:443"}) {
    GANTRY_EXPECT_OK(hosts.Check(host, "")) << host;
  }
  for (const char* host : {"", "evil.example", "evil.example:8000", "localhost.evil.example",
                           "127.0.0.1.evil.example", "[", "[evil]", ":8000"}) {
    EXPECT_THAT(hosts.Check(host, ""),
                StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("--http_allowed_hosts")))
        << host;
  }
}

TEST(AllowedHostsTest, PagesOfOtherServersAreRefused) {
  const AllowedHosts hosts("127.0.0.1:8000", {});
  GANTRY_EXPECT_OK(hosts.Check("localhost:8000", "http://localhost:8000"));
  GANTRY_EXPECT_OK(hosts.Check("localhost:8000", "https://localhost:8000"));
  for (const char* origin : {"http://evil.example", "null", "http://localhost:9000", "file://"}) {
    EXPECT_THAT(hosts.Check("localhost:8000", origin),
                StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr(origin)));
  }
}

}  // namespace
}  // namespace gantry
