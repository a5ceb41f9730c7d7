#include "base/socket_folder.h"

#include <sys/stat.h>

#include "base/file.h"
#include "gtest/gtest.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

TEST(SocketFolderTest, IsOursAloneAndGoes) {
  std::string path;
  {
    GANTRY_ASSERT_OK_AND_ASSIGN(SocketFolder folder, SocketFolder::Create());
    path = folder.socket_path();
    EXPECT_LE(path.size(), 107);
    struct stat info;
    ASSERT_EQ(stat(path.substr(0, path.rfind('/')).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700);
  }
  EXPECT_FALSE(FileExists(path.substr(0, path.rfind('/'))));
}

}  // namespace
}  // namespace gantry
