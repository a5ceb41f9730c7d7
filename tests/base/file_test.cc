#include "base/file.h"

#include <sys/stat.h>

#include <filesystem>

#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(FileTest, ReadsRanges) {
  TempFolder folder;
  GANTRY_ASSERT_OK_AND_ASSIGN(const File file, File::Open(folder.Write("a", "0123456789")));
  EXPECT_EQ(file.size(), 10);
  char out[4] = {};
  GANTRY_ASSERT_OK(file.ReadAt(3, 3, out));
  EXPECT_STREQ(out, "345");
  GANTRY_EXPECT_OK(file.ReadAt(10, 0, out));
  EXPECT_THAT(
      file.ReadAt(8, 3, out),
      StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr(file.path()), HasSubstr("offset 10"))));
  EXPECT_FALSE(file.ReadAt(~uint64_t{0}, 1, out).ok());
}

TEST(FileTest, StaysOpenWhenMoved) {
  TempFolder folder;
  GANTRY_ASSERT_OK_AND_ASSIGN(File first, File::Open(folder.Write("a", "A")));
  GANTRY_ASSERT_OK_AND_ASSIGN(File second, File::Open(folder.Write("b", "B")));
  first = std::move(second);
  File third = std::move(first);
  char out = 0;
  GANTRY_ASSERT_OK(third.ReadAt(0, 1, &out));
  EXPECT_EQ(out, 'B');
}

TEST(FileTest, Truncation) {
  TempFolder folder;
  const std::string path = folder.Write("a", std::string(10000, 'x'));
  GANTRY_ASSERT_OK_AND_ASSIGN(const File file, File::Open(path));
  std::filesystem::resize_file(path, 5000);
  std::string out(10000, '\0');
  EXPECT_THAT(file.ReadAt(0, out.size(), out.data()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("offset 5000")));
}

TEST(FileTest, WhatIsNoRegularFile) {
  TempFolder folder;
  EXPECT_THAT(File::Open(folder.Path("none")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_THAT(File::Open(folder.path()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
  // Opening a FIFO must not wait for a writer.
  ASSERT_EQ(mkfifo(folder.Path("fifo").c_str(), 0600), 0);
  EXPECT_THAT(File::Open(folder.Path("fifo")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
}

TEST(FileTest, ReadFile) {
  TempFolder folder;
  const std::string path = folder.Write("a", "12345");
  EXPECT_EQ(ReadFile(path, 5).value(), "12345");
  EXPECT_THAT(ReadFile(path, 4), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(path)));
  EXPECT_EQ(ReadFile(folder.Write("empty", ""), 0).value(), "");
}

TEST(FileTest, JoinPath) {
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
}

}  // namespace
}  // namespace gantry
