#include "proto/host_id.h"

#include <sys/wait.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace gantry {
namespace {

TEST(HostIdTest, NamesBootNetworkAndUser) {
  const std::string id = HostId();
  ASSERT_FALSE(id.empty());
  EXPECT_NE(id.find("/net:["), std::string::npos) << id;
  const std::string user = "/" + std::to_string(geteuid());
  ASSERT_GT(id.size(), user.size());
  EXPECT_EQ(id.substr(id.size() - user.size()), user);
}

TEST(HostIdTest, EqualInAnotherProcess) {
  const std::string here = HostId();
  const pid_t child = fork();
  if (child == 0) _exit(HostId() == here ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace gantry
