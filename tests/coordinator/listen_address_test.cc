#include "coordinator/listen_address.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

TEST(ListenAddressTest, TakesHostAndPortOrASocket) {
  EXPECT_THAT(CheckListenAddress("127.0.0.1:7070", ""), IsOk());
  EXPECT_THAT(CheckListenAddress("[::1]:0", ""), IsOk());
  EXPECT_THAT(CheckListenAddress("unix:/tmp/x", ""), IsOk());
  EXPECT_THAT(CheckListenAddress("0.0.0.0:7070", "node1:7070"), IsOk());
}

TEST(ListenAddressTest, RefusesWhatIsNone) {
  for (const char* bad :
       {"", "7070", ":7070", "host:", "host:x", "host:-1", "host:65536", "unix:"}) {
    EXPECT_THAT(CheckListenAddress(bad, ""),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--listen")))
        << bad;
  }
  EXPECT_THAT(CheckListenAddress("unix:" + std::string(108, 'x'), ""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("107")));
}

TEST(ListenAddressTest, EveryInterfaceNeedsAnAddressToTellWorkers) {
  EXPECT_THAT(CheckListenAddress("0.0.0.0:7070", ""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--advertise")));
}

TEST(ListenAddressTest, NamesAPortInUse) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  socklen_t length = sizeof(address);
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
  EXPECT_THAT(ExplainListenFailure(absl::StrCat("127.0.0.1:", ntohs(address.sin_port))),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("EADDRINUSE")));
  close(fd);
}

TEST(ListenAddressTest, HostAndPort) {
  for (const char* good : {"127.0.0.1:0", "[::1]:65535", "head:7070"}) {
    EXPECT_TRUE(IsHostPort(good)) << good;
  }
  for (const char* bad : {"", "nonsense", ":80", "head:", "head:65536", "head:-1", "head:x"}) {
    EXPECT_FALSE(IsHostPort(bad)) << bad;
  }
}

}  // namespace
}  // namespace gantry
