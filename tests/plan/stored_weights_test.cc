#include "plan/stored_weights.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "model/safetensors.h"
#include "plan/memory.h"
#include "plan/model_tree.h"
#include "plan/quantization.h"
#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

// A folder with a weight file of that header and a hole for the data.
class StoredWeightsTest : public ::testing::Test {
 protected:
  void Write(const std::string& header) {
    const absl::StatusOr<Json> json = ParseJson(header, "header");
    GANTRY_ASSERT_OK(json);
    uint64_t data = 0;
    for (const auto& entry : json->items()) {
      if (entry.key() == "__metadata__") continue;
      data = std::max(data, entry.value()["data_offsets"][1].get<uint64_t>());
    }
    const std::string path = folder_.Path("model.safetensors");
    std::ofstream file(path, std::ios::binary);
    const uint64_t size = header.size();
    file.write(reinterpret_cast<const char*>(&size), sizeof(size));
    file << header;
    file.close();
    ASSERT_EQ(::truncate(path.c_str(), sizeof(size) + size + data), 0);
  }

  TempFolder folder_;
};

// The planner's arithmetic against the files that transformers wrote.
TEST_F(StoredWeightsTest, QuantisedCheckpointsHoldWhatThePlannerComputes) {
  for (const std::string name : {"int8", "nf4-dq-bf16", "nf4-fp32"}) {
    const std::string from = GANTRY_TESTDATA "/prequantized/" + name;
    GANTRY_ASSERT_OK_AND_ASSIGN(const std::string header, ReadFile(from + "/header.json", 1 << 20));
    Write(header);
    GANTRY_ASSERT_OK_AND_ASSIGN(const StoredWeights stored, ReadStoredWeights(folder_.path()));
    EXPECT_TRUE(stored.quantized);

    GANTRY_ASSERT_OK_AND_ASSIGN(const Json config, ReadJsonFile(from + "/config.json"));
    GANTRY_ASSERT_OK_AND_ASSIGN(const ModelTree tree, BuildModelTree(config, name));
    ASSERT_TRUE(tree.quantization_config.has_value());
    WeightFormat format;
    format.dtype = tree.dtype.value();
    GANTRY_ASSERT_OK_AND_ASSIGN(format.quantization,
                                ParseQuantizationOptions(*tree.quantization_config, name));
    const SchemeRules rules(tree, format);
    for (const uint64_t allocation : {uint64_t{1}, kCudaAllocationBytes}) {
      for (const PlanUnit& unit : tree.units) {
        if (unit.kind == UnitKind::kRotary) continue;
        EXPECT_EQ(stored.Bytes(unit.name, allocation),
                  ModuleBytes(tree, *unit.module, unit.name, rules, MemoryKind::kGpu, allocation))
            << name << " " << unit.name;
      }
    }
    // The buffers, two of 32 floats, are not saved.
    EXPECT_EQ(stored.Bytes("", 1) + 256, ModelBytes(tree, rules, MemoryKind::kGpu, 1));
  }
}

TEST_F(StoredWeightsTest, PrefixesEndAtDots) {
  Write(R"({"a.1.w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
        R"("a.10.w":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})");
  GANTRY_ASSERT_OK_AND_ASSIGN(const StoredWeights stored, ReadStoredWeights(folder_.path()));
  EXPECT_FALSE(stored.quantized);
  EXPECT_EQ(stored.Bytes("a.1", 1), 8);
  EXPECT_EQ(stored.Bytes("a.10", 1), 3);
  EXPECT_EQ(stored.Bytes("a", 1), 11);
  EXPECT_EQ(stored.Bytes("", 512), 1024);
  EXPECT_EQ(stored.Bytes("b", 1), 0);
}

TEST_F(StoredWeightsTest, ErrorsNameTheFile) {
  EXPECT_THAT(ReadStoredWeights(folder_.path()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(folder_.path())));
  std::ofstream(folder_.Path("model.safetensors")) << "short";
  EXPECT_THAT(ReadStoredWeights(folder_.path()).status().message(), HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace gantry
