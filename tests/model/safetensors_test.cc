#include "model/safetensors.h"

#include "base/json.h"
#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kDataLoss = absl::StatusCode::kDataLoss;

std::string LengthBytes(uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(length >> (8 * i)));
  return bytes;
}
std::string FileBytes(const std::string& header, const std::string& data) {
  return LengthBytes(header.size()) + header + data;
}

absl::StatusOr<SafetensorsHeader> Read(const std::string& bytes) {
  TempFolder folder;
  absl::StatusOr<File> file = File::Open(folder.Write("x.safetensors", bytes));
  if (!file.ok()) return file.status();
  return ReadSafetensorsHeader(*file);
}

constexpr char kTwo[] = R"({"b":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]},)"
                        R"("a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
                        R"("__metadata__":{"format":"pt"}}  )";

TEST(SafetensorsTest, ReadsEntriesInTheOrderOfTheirData) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const SafetensorsHeader header,
                              Read(FileBytes(kTwo, std::string(28, 'x'))));
  EXPECT_EQ(header.data_begin, 8 + std::string(kTwo).size());
  ASSERT_EQ(header.entries.size(), 2);
  EXPECT_EQ(header.entries[0].name, "a");
  EXPECT_EQ(header.entries[0].dtype, DType::kF16);
  EXPECT_THAT(header.entries[0].shape, ElementsAre(2));
  EXPECT_EQ(header.entries[1].name, "b");
  EXPECT_EQ(header.entries[1].dtype, DType::kF32);
  EXPECT_EQ(header.entries[1].begin, 4);
  EXPECT_EQ(header.entries[1].end, 28);
}

TEST(SafetensorsTest, HashIsFnv1aOfTheHeader) {
  // FNV-1a of "{}", worked out from the published offset basis and prime.
  uint64_t hash = 14695981039346656037u;
  for (const char c : std::string("{}")) hash = (hash ^ static_cast<uint64_t>(c)) * 1099511628211u;
  GANTRY_ASSERT_OK_AND_ASSIGN(const SafetensorsHeader header, Read(FileBytes("{}", "")));
  EXPECT_EQ(header.hash, hash);
  GANTRY_ASSERT_OK_AND_ASSIGN(const SafetensorsHeader padded, Read(FileBytes("{} ", "")));
  EXPECT_NE(padded.hash, hash);
}

TEST(SafetensorsTest, Accepts) {
  const std::pair<const char*, uint64_t> cases[] = {
      {"{}", 0},
      {R"({"__metadata__":{}})", 0},
      {R"({"__metadata__":null})", 0},
      {R"({"scalar":{"dtype":"F64","shape":[],"data_offsets":[0,8]}})", 8},
      {R"({"empty":{"dtype":"I64","shape":[0,18446744073709551615],"data_offsets":[0,0]}})", 0},
      {R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
       R"("a":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}})",
       1},
      {R"({"half":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", 1},
      {R"({"f8":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]}})", 3},
      {R"({"u":{"dtype":"U32","shape":[1],"data_offsets":[0,4],"note":"ignored"}})", 4},
      {"{\"\xc3\xa9\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]}}   ", 1},
  };
  for (const auto& [header, bytes] : cases) {
    GANTRY_EXPECT_OK(ParseSafetensorsHeader(header, bytes)) << header;
  }
}

// A type that the format has and Gantry does not: the file is still well-formed.
TEST(SafetensorsTest, TypesWithoutUse) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const std::vector<SafetensorsEntry> entries,
      ParseSafetensorsHeader(R"({"u":{"dtype":"U32","shape":[1],"data_offsets":[0,4]}})", 4));
  EXPECT_FALSE(entries[0].dtype.has_value());
  EXPECT_EQ(entries[0].dtype_name, "U32");
}

struct BadHeader {
  const char* header;
  uint64_t data_bytes;
  absl::StatusCode code;
  const char* message;
};

TEST(SafetensorsTest, RefusesEachBrokenRule) {
  const BadHeader cases[] = {
      {"", 0, kInvalid, "begin with"},
      {" {}", 0, kInvalid, "begin with"},
      {"[]", 0, kInvalid, "begin with"},
      {"\xef\xbb\xbf{}", 0, kInvalid, "begin with"},
      {"{\"\xff\":1}", 0, kInvalid, "UTF-8"},
      {"{\"\xed\xa0\x80\":1}", 0, kInvalid, "UTF-8"},
      {"{", 0, kInvalid, "JSON"},
      {"{}x", 0, kInvalid, "JSON"},
      {R"({"a":NaN})", 0, kInvalid, "JSON"},
      {R"({"a":[[[[[[[[[1]]]]]]]]]})", 0, kInvalid, "nested deeper"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
       R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       2, kInvalid, "given twice"},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, kInvalid,
       "given twice"},
      {R"({"__metadata__":{"n":1}})", 0, kInvalid, "__metadata__"},
      {R"({"__metadata__":{"n":{"m":"x"}}})", 0, kInvalid, "__metadata__"},
      {R"({"__metadata__":{"n":null}})", 0, kInvalid, "__metadata__"},
      {R"({"__metadata__":["x"]})", 0, kInvalid, "__metadata__"},
      {R"({"a":1})", 0, kInvalid, "dtype"},
      {R"({"a":null})", 0, kInvalid, "dtype"},
      {R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1, kInvalid, "dtype"},
      {R"({"a":{"dtype":5,"shape":[1],"data_offsets":[0,1]}})", 1, kInvalid, "dtype"},
      {R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, kInvalid,
       "unknown dtype \"F31\""},
      {R"({"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}})", 4, kInvalid, "unknown dtype"},
      {R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1, kInvalid, "shape"},
      {R"({"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", 1, kInvalid, "shape"},
      {R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, kInvalid, "shape"},
      {R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1, kInvalid, "shape"},
      {R"({"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}})", 1, kInvalid, "shape"},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}})", 1, kInvalid,
       "shape"},
      {R"({"a":{"dtype":"U8","shape":[1]}})", 1, kInvalid, "data_offsets"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1, kInvalid, "data_offsets"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1, kInvalid, "data_offsets"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}})", 1, kInvalid, "data_offsets"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":{"begin":0}}})", 1, kInvalid,
       "data_offsets"},
      {R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[1,0]}})", 1, kInvalid,
       "end before they begin"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2, kInvalid, "hole"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
       R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
       3, kInvalid, "hole"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
       R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3, kInvalid, "overlap"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
       R"("b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
       2, kInvalid, "overlap"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,7]}})", 7, kInvalid, "takes 8 bytes"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}})", 9, kInvalid, "takes 8 bytes"},
      {R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,0]}})", 0, kInvalid, "takes 4 bytes"},
      {R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1, kInvalid, "whole bytes"},
      {R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, kInvalid,
       "can be counted"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}})", 4, kInvalid,
       "can be counted"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 3, kDataLoss, "truncated"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 5, kInvalid, "covers"},
      {"{}", 1, kInvalid, "covers"},
  };
  for (const BadHeader& bad : cases) {
    EXPECT_THAT(ParseSafetensorsHeader(bad.header, bad.data_bytes),
                StatusIs(bad.code, HasSubstr(bad.message)))
        << bad.header;
  }
}

TEST(SafetensorsTest, TensMoreTensorsOnTheSameBytes) {
  std::string header = "{";
  for (int i = 0; i < 10; ++i) {
    header += (i ? ",\"t" : "\"t") + std::to_string(i) +
              R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  }
  EXPECT_THAT(ParseSafetensorsHeader(header + "}", 1), StatusIs(kInvalid, HasSubstr("overlap")));
}

TEST(SafetensorsTest, BadFiles) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "at least 8 bytes"},
      {"\x02", "at least 8 bytes"},
      {LengthBytes(100'000'001) + "{}", "at most 100000000"},
      {LengthBytes(~uint64_t{0}) + "{}", "at most 100000000"},
      {LengthBytes(3) + "{}", "claims 3 bytes, the file ends after 2"},
      {LengthBytes(100'000'000) + "{}", "the file ends after 2"},
      {LengthBytes(0), "begin with"},
      {"version https://git-lfs.github.com/spec/v1\n", "Git LFS"},
  };
  for (const auto& [bytes, message] : cases) {
    const absl::Status status = Read(bytes).status();
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("x.safetensors: "), HasSubstr(message)));
  }
}

TEST(SafetensorsTest, EveryTruncationIsRefused) {
  const std::string bytes = FileBytes(kTwo, std::string(28, 'x'));
  GANTRY_ASSERT_OK(Read(bytes));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Read(bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(Read(bytes + "x").ok());
}

// One flipped bit in the header is refused or still describes exactly the file's bytes.
TEST(SafetensorsTest, EveryFlippedBit) {
  const std::string good(kTwo);
  for (size_t i = 0; i < good.size() * 8; ++i) {
    std::string header = good;
    header[i / 8] ^= static_cast<char>(1 << (i % 8));
    const auto entries = ParseSafetensorsHeader(header, 28);
    if (!entries.ok()) continue;
    uint64_t total = 0;
    for (const SafetensorsEntry& entry : *entries) total += entry.end - entry.begin;
    EXPECT_EQ(total, 28);
  }
}

TEST(SafetensorsTest, LongShapesAreCut) {
  std::string shape = "1";
  for (int i = 0; i < 10000; ++i) shape += ",1";
  const std::string header =
      R"({"a":{"dtype":"F32","shape":[)" + shape + R"(],"data_offsets":[0,5]}})";
  const absl::Status status = ParseSafetensorsHeader(header, 5).status();
  EXPECT_THAT(status, StatusIs(kInvalid, HasSubstr("takes 4 bytes")));
  EXPECT_LT(status.message().size(), 300);
}

TEST(SafetensorsTest, HostileNamesAreEscapedAndCut) {
  const std::string name = std::string(5000, 'n') + "\\u0007";
  const std::string header =
      "{\"" + name + R"(":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})";
  const absl::Status status = ParseSafetensorsHeader(header, 4).status();
  EXPECT_LT(status.message().size(), 300);
  EXPECT_THAT(std::string(ParseSafetensorsHeader(
                              R"({"\u001b[2J":{"dtype":"F31","shape":[],"data_offsets":[0,4]}})", 4)
                              .status()
                              .message()),
              ::testing::Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace gantry
