#include "coordinator/http/percent.h"

#include "gtest/gtest.h"

namespace gantry {
namespace {

TEST(PercentTest, EncodesAllButWhatNeedsIt) {
  EXPECT_EQ(PercentEncoded("org/m-1.5_b~(x)"), "org%2Fm-1.5_b~(x)");
  EXPECT_EQ(PercentEncoded("\xff %?#"), "%FF%20%25%3F%23");
}

TEST(PercentTest, DecodesWhatWasEncoded) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(PercentDecoded(PercentEncoded(all)), all);
  EXPECT_EQ(PercentDecoded("a%2fb"), "a/b");
  EXPECT_EQ(PercentDecoded(""), "");
}

TEST(PercentTest, RefusesWhatIsCutOrNoNumber) {
  for (const char* text : {"%", "a%4", "%4g", "%+4", "% 4", "%%41"}) {
    EXPECT_EQ(PercentDecoded(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace gantry
