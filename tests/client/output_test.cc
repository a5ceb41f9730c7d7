#include "client/output.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/client/captured_output.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

TEST(OutputTest, WritesAtOnce) {
  CapturedOutput captured;
  GANTRY_ASSERT_OK(captured.output()->Write("a"));
  EXPECT_EQ(captured.text(), "a");
  GANTRY_ASSERT_OK(captured.output()->Write(""));
  GANTRY_ASSERT_OK(captured.output()->Write("b\n"));
  EXPECT_EQ(captured.text(), "ab\n");
}

TEST(OutputTest, FileGetsNoLineEndOfOurs) {
  CapturedOutput captured;
  GANTRY_ASSERT_OK(captured.output()->Write("a"));
  GANTRY_ASSERT_OK(captured.output()->FinishLine());
  EXPECT_FALSE(captured.output()->terminal());
  EXPECT_EQ(captured.text(), "a");
}

TEST(OutputTest, TerminalGetsItsLineEnded) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_GE(master, 0);
  ASSERT_EQ(grantpt(master), 0);
  ASSERT_EQ(unlockpt(master), 0);
  const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
  ASSERT_GE(terminal, 0);
  Output output(terminal);
  EXPECT_TRUE(output.terminal());
  GANTRY_ASSERT_OK(output.FinishLine());
  GANTRY_ASSERT_OK(output.Write("a"));
  GANTRY_ASSERT_OK(output.FinishLine());
  GANTRY_ASSERT_OK(output.FinishLine());
  GANTRY_ASSERT_OK(output.Write("b"));
  // A terminal may hand over less than was written so far.
  const std::string expected = "a\r\nb";
  std::string shown;
  char part[16];
  while (shown.size() < expected.size()) {
    const ssize_t length = read(master, part, sizeof(part));
    ASSERT_GT(length, 0) << "after \"" << shown << "\"";
    shown.append(part, length);
  }
  EXPECT_EQ(shown, expected);
  close(terminal);
  close(master);
}

TEST(OutputTest, FullDiskIsTheSystemsError) {
  const int full = open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  Output output(full);
  EXPECT_THAT(output.Write("a"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("cannot write")));
  EXPECT_FALSE(output.closed());
  close(full);
}

}  // namespace
}  // namespace gantry
