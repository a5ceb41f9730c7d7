#include "plan/accelerate/max_memory.h"

#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

absl::StatusOr<MaxMemory> Parse(absl::string_view text) {
  const absl::StatusOr<Json> json = ParseJson(text, "text");
  EXPECT_THAT(json, IsOk());
  return ParseMaxMemory(*json, "--max_memory");
}

TEST(MaxMemoryTest, GpusByNumberThenTheRest) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const MaxMemory limits,
      Parse(R"({"disk": "1TB", "10": 5, "cpu": "60GiB", "2": "20GB", "mps": 0})"));
  EXPECT_THAT(limits, ElementsAre(Pair("2", 20'000'000'000), Pair("10", 5), Pair("mps", 0),
                                  Pair("cpu", 64'424'509'440), Pair("disk", 1'000'000'000'000)));
}

TEST(MaxMemoryTest, UnknownDevicesAreRefused) {
  for (const char* text : {R"({"gpu": 1})", R"({"cuda:0": 1})", R"({"-1": 1})", R"({"01": 1})",
                           R"({"": 1})", R"({"99999999999": 1})", R"({"1.0": 1})"}) {
    EXPECT_THAT(Parse(text),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("--max_memory: Device "),
                               HasSubstr(" is not recognized, available devices are integers(for "
                                         "GPU/XPU), 'mps', 'cpu' and 'disk'"))))
        << text;
  }
}

TEST(MaxMemoryTest, LimitsAreBytes) {
  for (const char* text :
       {R"({"0": -1})", R"({"0": 1.5})", R"({"0": "2x"})", R"({"0": "24"})", R"({"0": null})",
        R"({"0": "-1GB"})", R"({"0": 18446744073709551615})", R"({"0": "nanGB"})"}) {
    EXPECT_THAT(Parse(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(": 0")))
        << text;
  }
  EXPECT_THAT(Parse("[1]"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("20GiB")));
}

}  // namespace
}  // namespace gantry
