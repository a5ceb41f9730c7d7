#include "base/bytes.h"

#include "base/status_macros.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

TEST(BytesTest, Parses) {
  const std::pair<const char*, uint64_t> cases[] = {
      {"0B", 0},
      {"17B", 17},
      {"1KB", 1000},
      {"1KiB", 1024},
      {"24GB", 24000000000},
      {"24gb", 24000000000},
      {"24GiB", 24ull << 30},
      {"1.5GB", 1500000000},
      {"0.5MiB", 512 << 10},
      {"2TiB", 2ull << 40},
      {"3TB", 3000000000000},
      {"80Mb", 80000000},
  };
  for (const auto& [text, bytes] : cases) {
    const absl::StatusOr<uint64_t> parsed = ParseBytes(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(BytesTest, Refuses) {
  for (const char* text :
       {"",      "B",      "GB",    "24",    "-1GB",       "+1GB",
        "1e3GB", "0x10GB", "infGB", "nanGB", "1.2.3GB",    "1 GB",
        " 1GB",  "1GB ",   "1PB",   "1GBs",  "10000000TB", "9223372036854775808B",
        ".",     ".GB",    "1,5GB"}) {
    EXPECT_THAT(ParseBytes(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected a size")))
        << text;
  }
}

TEST(BytesTest, Formats) {
  const std::pair<uint64_t, const char*> cases[] = {
      {0, "0 B"},
      {512, "512 B"},
      {999, "999 B"},
      {1000, "1.00 KB"},
      {8100000, "8.10 MB"},
      {1500000000, "1.50 GB"},
      {24000000000, "24.0 GB"},
      {999499999, "999 MB"},
      {999999999, "1.00 GB"},
      {9995000, "10.0 MB"},
      {~uint64_t{0}, "18.4 EB"},
  };
  for (const auto& [bytes, text] : cases) EXPECT_EQ(FormatBytes(bytes), text);
}

TEST(BytesTest, CheckedArithmetic) {
  uint64_t out = 0;
  EXPECT_TRUE(CheckedMultiply(1ull << 32, (1ull << 32) - 1, &out));
  EXPECT_EQ(out, 0xffffffff00000000);
  EXPECT_FALSE(CheckedMultiply(1ull << 32, 1ull << 32, &out));
  EXPECT_TRUE(CheckedAdd(~uint64_t{0}, 0, &out));
  EXPECT_FALSE(CheckedAdd(~uint64_t{0}, 1, &out));
}

TEST(AnnotateTest, KeepsCodeAndPayload) {
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
  absl::Status status = absl::DataLossError("gone");
  status.SetPayload("url", absl::Cord("payload"));
  const absl::Status annotated = Annotate(status, "file");
  EXPECT_THAT(annotated, StatusIs(absl::StatusCode::kDataLoss, "file: gone"));
  EXPECT_EQ(annotated.GetPayload("url"), absl::Cord("payload"));
}

}  // namespace
}  // namespace gantry
