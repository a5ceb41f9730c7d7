#include "base/flags.h"

#include "absl/flags/flag.h"
#include "base/exit_code.h"
#include "gtest/gtest.h"

ABSL_FLAG(std::string, server, "", "The server.");
ABSL_FLAG(std::string, server_name, "", "Its name.");
ABSL_FLAG(int, seed, 0, "The seed.");

namespace gantry {
namespace {

void Parse(std::string argument) {
  std::string program = "flags_test";
  char* arguments[] = {program.data(), argument.data()};
  ParseFlags(2, arguments, "usage", {"tests/base/flags_test.cc"});
}

void ExpectSuggestion(const std::string& typed, const std::string& expected) {
  EXPECT_EXIT(Parse("--" + typed), ::testing::ExitedWithCode(kExitUsage),
              "unknown flag --" + typed + expected + "\n");
}

TEST(FlagsTest, SuggestsTheFlagThatBeginsWithWhatWasTyped) {
  ExpectSuggestion("serv", "; did you mean --server\\?");  // as far from it as from --seed
  ExpectSuggestion("server_n", "; did you mean --server_name\\?");
  ExpectSuggestion("s", "; did you mean --seed\\?");
}

TEST(FlagsTest, SuggestsTheFlagThatLooksLikeATypo) {
  ExpectSuggestion("sed", "; did you mean --seed\\?");
  ExpectSuggestion("sevrer", "; did you mean --server\\?");
  ExpectSuggestion("temperature", "");
}

}  // namespace
}  // namespace gantry
