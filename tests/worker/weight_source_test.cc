#include "worker/weight_source.h"

#include <cmath>
#include <cstring>

#include "gtest/gtest.h"
#include "model/safetensors_writer.h"
#include "tests/status_matchers.h"
#include "tests/temp_folder.h"
#include "tests/worker/stage_testing.h"
#include "worker/weights.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Quantised(const std::string& name) {
  return GANTRY_TESTDATA "/prequantized/cut/" + name;
}

const TensorSpec kWeight = {"model.layers.0.mlp.down_proj.weight", {256, 512}};

TEST(CheckpointSourceTest, PlainWeightsComeInTheirOwnType) {
  for (const auto& [name, dtype] : {std::pair("llama-tied", DType::kF32),
                                    {"llama-mha-sharded", DType::kF16},
                                    {"phi3", DType::kBF16}}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint,
                                Checkpoint::Open(std::string(GANTRY_TESTDATA) + "/models/" + name));
    const std::unique_ptr<WeightSource> source = MakeCheckpointSource(checkpoint.get());
    const TensorSpec& tensor = checkpoint->modules()[1].down.weights[0];
    for (const Scheme scheme : {Scheme::kFp32, Scheme::kNf4}) {
      GANTRY_ASSERT_OK_AND_ASSIGN(const MatrixPart part, source->Part(tensor, {.scheme = scheme}));
      EXPECT_EQ(part.dtype, dtype);
      EXPECT_EQ(part.read_packed, nullptr);
      const int64_t cols = tensor.shape[1];
      std::vector<char> raw(3 * cols * DTypeSize(dtype));
      GANTRY_ASSERT_OK(part.read(2, 3, raw.data()));
      std::vector<float> widened(3 * cols);
      ToFloat(dtype, raw.data(), widened.size(), widened.data());
      std::vector<float> expected(3 * cols);
      GANTRY_ASSERT_OK(source->Read(tensor, 2 * cols, 3 * cols, expected.data()));
      EXPECT_EQ(widened, expected);
    }
  }
}

TEST(CheckpointSourceTest, AQuantisedWeightComesAsItIsOrDequantised) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, Checkpoint::Open(Quantised("nf4-dq-bf16")));
  const std::unique_ptr<WeightSource> source = MakeCheckpointSource(checkpoint.get());
  const TensorScheme stored = {.scheme = Scheme::kNf4, .double_quant = true};
  GANTRY_ASSERT_OK_AND_ASSIGN(const MatrixPart packed, source->Part(kWeight, stored));
  EXPECT_EQ(packed.rows, 256);
  ASSERT_NE(packed.read_packed, nullptr);
  GANTRY_ASSERT_OK_AND_ASSIGN(const PackedTensor tensor, packed.read_packed());
  EXPECT_EQ(tensor.scheme, stored);
  EXPECT_EQ(tensor.cols, 512);

  // For a CPU worker that computes in float32.
  for (const Scheme scheme : {Scheme::kFp32, Scheme::kBf16}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(const MatrixPart plain, source->Part(kWeight, {.scheme = scheme}));
    EXPECT_EQ(plain.read_packed, nullptr);
    EXPECT_EQ(plain.dtype, DType::kF32);
    std::vector<float> values(2 * 512, NAN);
    GANTRY_ASSERT_OK(plain.read(7, 2, values.data()));
    std::vector<float> expected(2 * 512);
    GANTRY_ASSERT_OK(checkpoint->ReadTensor(kWeight.name, 7 * 512, 2 * 512, expected.data()));
    EXPECT_EQ(values, expected);
  }

  for (const TensorScheme& other :
       {TensorScheme{.scheme = Scheme::kNf4},
        {.scheme = Scheme::kFp4, .double_quant = true},
        {.scheme = Scheme::kInt8},
        {.scheme = Scheme::kNf4, .double_quant = true, .block_size = 128}}) {
    EXPECT_THAT(source->Part(kWeight, other),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(Quantised("nf4-dq-bf16")), HasSubstr(kWeight.name),
                               HasSubstr("stored as nf4 in blocks of 64 with double quantisation"),
                               HasSubstr("a quantised checkpoint keeps its scheme"))));
  }
}

// A checkpoint with kWeight in blocks of 128.
std::unique_ptr<Checkpoint> OpenInOtherBlocks(const TempFolder& folder) {
  const File file = File::Open(Quantised("nf4-fp32") + "/model.safetensors").value();
  const SafetensorsHeader header = ReadSafetensorsHeader(file).value();
  std::vector<TensorToWrite> tensors;
  std::vector<std::string> data;
  for (const SafetensorsEntry& entry : header.entries) {
    std::string& bytes = data.emplace_back(entry.end - entry.begin, '\0');
    EXPECT_THAT(file.ReadAt(header.data_begin + entry.begin, bytes.size(), bytes.data()), IsOk());
    tensors.push_back({entry.name, *entry.dtype, entry.shape});
    if (entry.name == kWeight.name + ".absmax") {
      bytes.resize(bytes.size() / 2);
      tensors.back().shape[0] /= 2;
    } else if (entry.name == kWeight.name + ".quant_state.bitsandbytes__nf4") {
      bytes.replace(bytes.find("64,"), 3, "128,");
      tensors.back().shape[0] += 1;
    }
  }
  const auto writer = SafetensorsWriter::Create(folder.Path("model.safetensors"), tensors).value();
  for (size_t i = 0; i < data.size(); ++i) {
    EXPECT_THAT(writer->Write(tensors[i].name, data[i]), IsOk());
  }
  std::filesystem::copy(Quantised("nf4-fp32") + "/config.json", folder.path());
  return Checkpoint::Open(folder.path()).value();
}

TEST(CheckpointSourceTest, BlocksThatNoFlagAsksForAreNotAdvised) {
  const TempFolder folder;
  const std::unique_ptr<Checkpoint> checkpoint = OpenInOtherBlocks(folder);
  const std::unique_ptr<WeightSource> source = MakeCheckpointSource(checkpoint.get());
  EXPECT_THAT(source->Part(kWeight, {.scheme = Scheme::kNf4}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("stored as nf4 in blocks of 128, wanted as nf4 in blocks of "
                                       "64; Gantry takes blocks of 64: quantize the original"),
                             Not(HasSubstr("ask for that one")))));
}

TEST(CheckpointSourceTest, ProgressCountsTheBytesOfTheFiles) {
  for (const char* name : {"int8", "nf4-dq-bf16", "nf4-fp32"}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, Checkpoint::Open(Quantised(name)));
    const std::unique_ptr<WeightSource> source = MakeCheckpointSource(checkpoint.get());
    const std::unique_ptr<Backend> backend = MakeTestBackend("cpu");
    for (const ModuleSpec& module : checkpoint->modules()) {
      uint64_t read = 0;
      GANTRY_ASSERT_OK(
          LoadModule(module, ModuleFormat(), *source, {}, backend.get(), [&read](uint64_t bytes) {
            read += bytes;
            return absl::OkStatus();
          }));
      EXPECT_EQ(read, SourceBytes(module, *source)) << name << " " << module.name;
    }
  }
}

TEST(DummySourceTest, MayBeMadeByTheBackend) {
  const std::unique_ptr<WeightSource> source = MakeDummySource(3);
  GANTRY_ASSERT_OK_AND_ASSIGN(const MatrixPart part,
                              source->Part(kWeight, {.scheme = Scheme::kNf4}));
  ASSERT_TRUE(part.dummy.has_value());
  EXPECT_EQ(part.read_packed, nullptr);
  std::vector<float> read(512);
  GANTRY_ASSERT_OK(part.read(5, 1, read.data()));
  std::vector<float> made(512);
  FillDummyWeights(*part.dummy, 5 * 512, 512, made.data());
  EXPECT_EQ(read, made);
}

}  // namespace
}  // namespace gantry
