#include "base/log.h"

#include <limits>

#include "base/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string Line(absl::string_view format, absl::string_view message, const LogFields& fields) {
  EXPECT_TRUE(InitLog({.program = "test", .format = format}));
  ::testing::internal::CaptureStderr();
  LogInfo(message, fields);
  return ::testing::internal::GetCapturedStderr();
}

const LogFields& Fields() {
  static const auto* const fields =
      new LogFields{{"id", "gen-7"},
                    {"client", ""},
                    {"count", int64_t{12}},
                    {"seconds", 0.25},
                    {"never", std::numeric_limits<double>::infinity()},
                    {"error", "no \"such\" thing\nid=forged \xff"}};
  return *fields;
}

TEST(LogTest, FieldsFollowTheMessage) {
  EXPECT_THAT(Line("text", "request ended", Fields()),
              EndsWith("test request ended id=gen-7 client=\"\" count=12 seconds=0.25 never=null "
                       "error=\"no \\\"such\\\" thing\\nid=forged \xef\xbf\xbd\"\n"));
}

TEST(LogTest, FieldsAreMembersOfJson) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json line,
                              ParseJson(Line("json", "it \"ended\"", Fields()), "log"));
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["program"], "test");
  EXPECT_EQ(line["message"], "it \"ended\"");
  EXPECT_EQ(line["id"], "gen-7");
  EXPECT_EQ(line["client"], "");
  EXPECT_EQ(line["count"], 12);
  EXPECT_EQ(line["seconds"], 0.25);
  EXPECT_TRUE(line["never"].is_null());
  EXPECT_EQ(line["error"], "no \"such\" thing\nid=forged \xef\xbf\xbd");
}

TEST(LogTest, MessagesAloneAreUnchanged) {
  EXPECT_THAT(Line("text", "50 % of \"it\" {}", {}), EndsWith("test 50 % of \"it\" {}\n"));
  GANTRY_EXPECT_OK(ParseJson(Line("json", "a\nb\x01", {}), "log"));
}

TEST(LogTest, OtherFormatsAndLevelsAreRefused) {
  EXPECT_FALSE(InitLog({.format = "xml"}));
  EXPECT_FALSE(InitLog({.level = "loud"}));
}

}  // namespace
}  // namespace gantry
