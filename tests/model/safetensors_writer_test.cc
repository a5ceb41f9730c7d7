#include "model/safetensors_writer.h"

#include <algorithm>
#include <random>
#include <thread>

#include "base/json.h"
#include "model/safetensors.h"
#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// What the reference implementation wrote, taken apart and written again in another order.
TEST(SafetensorsWriterTest, WritesTheBytesOfTheReferenceImplementation) {
  std::mt19937 random(std::random_device{}());
  TempFolder folder;
  for (const std::string name : {"int8", "nf4-dq-bf16", "nf4-fp32"}) {
    const std::string path = GANTRY_TESTDATA "/prequantized/cut/" + name + "/model.safetensors";
    GANTRY_ASSERT_OK_AND_ASSIGN(const File file, File::Open(path));
    GANTRY_ASSERT_OK_AND_ASSIGN(const SafetensorsHeader header, ReadSafetensorsHeader(file));
    std::vector<TensorToWrite> tensors;
    for (const SafetensorsEntry& entry : header.entries) {
      tensors.push_back({entry.name, *entry.dtype, entry.shape});
    }
    std::shuffle(tensors.begin(), tensors.end(), random);
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto writer,
                                SafetensorsWriter::Create(folder.Path(name), tensors));
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (size_t i = t; i < header.entries.size(); i += 3) {
          const SafetensorsEntry& entry = header.entries[i];
          std::vector<char> data(entry.end - entry.begin);
          GANTRY_EXPECT_OK(file.ReadAt(header.data_begin + entry.begin, data.size(), data.data()));
          GANTRY_EXPECT_OK(writer->Write(entry.name, data));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    GANTRY_ASSERT_OK(writer->Finish());
    GANTRY_ASSERT_OK_AND_ASSIGN(const std::string written, ReadFile(folder.Path(name), 1 << 30));
    GANTRY_ASSERT_OK_AND_ASSIGN(const std::string expected, ReadFile(path, 1 << 30));
    EXPECT_TRUE(written == expected) << name;
  }
}

// The headers of the whole files, with names enough that their order shows.
TEST(SafetensorsWriterTest, WritesTheHeadersOfTheReferenceImplementation) {
  TempFolder folder;
  for (const std::string name : {"int8", "nf4-dq-bf16", "nf4-fp32"}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(
        std::string expected,
        ReadFile(GANTRY_TESTDATA "/prequantized/" + name + "/header.json", 1 << 20));
    expected.erase(expected.find_last_of('}') + 1);
    GANTRY_ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(expected, name));
    std::vector<TensorToWrite> tensors;
    for (const auto& [tensor, entry] : json.items()) {
      if (tensor == "__metadata__") continue;
      tensors.push_back({tensor, *DTypeFromSafetensors(entry["dtype"].get<std::string>()),
                         entry["shape"].get<std::vector<uint64_t>>()});
    }
    std::reverse(tensors.begin(), tensors.end());
    GANTRY_ASSERT_OK(SafetensorsWriter::Create(folder.Path(name), tensors));
    GANTRY_ASSERT_OK_AND_ASSIGN(std::string written, ReadFile(folder.Path(name), 1 << 20));
    EXPECT_EQ(written.size() % 8, 0);
    written.erase(written.find_last_of('}') + 1);
    EXPECT_EQ(written.substr(8), expected) << name;
  }
}

TEST(SafetensorsWriterTest, EveryTensorIsWrittenOnce) {
  TempFolder folder;
  const std::vector<TensorToWrite> tensors = {{"a \"quoted\" name", DType::kF32, {2}},
                                              {"scalar", DType::kU8, {}},
                                              {"none", DType::kBF16, {0, 7}}};
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto writer,
                              SafetensorsWriter::Create(folder.Path("x"), tensors));
  const std::string data = "12345678";
  EXPECT_THAT(writer->Write("b", data), StatusIs(kInvalid, HasSubstr("\"b\"")));
  EXPECT_THAT(writer->Write("scalar", data), StatusIs(kInvalid, HasSubstr("8 bytes")));
  GANTRY_EXPECT_OK(writer->Write("a \"quoted\" name", data));
  EXPECT_THAT(writer->Write("a \"quoted\" name", data), StatusIs(kInvalid, HasSubstr("quoted")));
  GANTRY_EXPECT_OK(writer->Write("none", {}));
  EXPECT_THAT(writer->Finish(),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("\"scalar\" was not written")));
  GANTRY_EXPECT_OK(writer->Write("scalar", absl::string_view("x")));
  GANTRY_EXPECT_OK(writer->Finish());
  GANTRY_ASSERT_OK_AND_ASSIGN(const File file, File::Open(folder.Path("x")));
  GANTRY_ASSERT_OK_AND_ASSIGN(const SafetensorsHeader header, ReadSafetensorsHeader(file));
  EXPECT_EQ(header.entries.size(), 3);

  EXPECT_THAT(SafetensorsWriter::Create(folder.Path("x"), tensors),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(folder.Path("x"))));
  EXPECT_THAT(SafetensorsWriter::Create(folder.Path("y"), {tensors[0], tensors[0]}),
              StatusIs(kInvalid, HasSubstr("twice")));
}

}  // namespace
}  // namespace gantry
