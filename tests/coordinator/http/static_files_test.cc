#include "coordinator/http/static_files.h"

#include "gmock/gmock.h"

namespace gantry {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr StaticFile kFile = {"/", "text/html", "<p>", "\"abc\""};

TEST(StaticFilesTest, ServesBytesWithAPolicyThatKeepsOthersOut) {
  const HttpResponse response = ServeStaticFile(kFile, {});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/html");
  EXPECT_EQ(response.body, "<p>");
  EXPECT_THAT(response.headers, Contains(Pair("ETag", "\"abc\"")));
  EXPECT_THAT(response.headers,
              Contains(Pair("Content-Security-Policy", HasSubstr("default-src 'none'"))));
}

TEST(StaticFilesTest, SendsNothingThatTheClientHas) {
  HttpRequest request;
  request.if_none_match = "\"x\", W/\"abc\"";
  EXPECT_EQ(ServeStaticFile(kFile, request).status, 304);
  EXPECT_EQ(ServeStaticFile(kFile, request).body, "");
  request.if_none_match = "\"x\"";
  EXPECT_EQ(ServeStaticFile(kFile, request).status, 200);
}

}  // namespace
}  // namespace gantry
