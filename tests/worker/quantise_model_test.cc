#include "worker/quantise_model.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "gtest/gtest.h"
#include "kernels/reference/quantize.h"
#include "tests/status_matchers.h"
#include "tests/temp_folder.h"
#include "tests/worker/stage_testing.h"
#include "worker/output_folder.h"

namespace gantry {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kDemo[] = GANTRY_SOURCE_DIR "/deploy/demo/model";

std::string Reference(const std::string& name) { return GANTRY_TESTDATA "/prequantized/" + name; }
std::string Small(const std::string& name) { return GANTRY_TESTDATA "/models/" + name; }

absl::StatusOr<QuantisedModel> Write(const QuantiseOptions& options) {
  absl::StatusOr<ModelToQuantise> model = OpenModelToQuantise(options.model);
  if (!model.ok()) return model.status();
  uint64_t last = 0;
  uint64_t of = 0;
  absl::StatusOr<QuantisedModel> written =
      QuantiseModel(*model, options, [&](uint64_t done, uint64_t total) {
        EXPECT_LT(last, done);
        last = done;
        of = total;
      });
  EXPECT_TRUE(!written.ok() || last == of);
  return written;
}

// What was asked of transformers when it saved tests/testdata/prequantized/NAME.
QuantiseOptions OptionsOf(const std::string& name, const std::string& output) {
  QuantiseOptions options;
  options.model = kDemo;
  options.output = output;
  const Json config = ReadJsonFile(Reference(name) + "/config.json").value();
  options.quantization = ParseQuantizationOptions(config["quantization_config"], name).value();
  options.dtype = DTypeFromTorch(config["dtype"].get<std::string>());
  return options;
}

QuantiseOptions Nf4(const std::string& model, const std::string& output) {
  QuantiseOptions options;
  options.model = model;
  options.output = output;
  options.quantization.load_in_4bit = true;
  options.quantization.bnb_4bit_quant_type = Scheme::kNf4;
  return options;
}

// The same in both models: how every tensor is stored, and its contents.
void ExpectSameTensors(const std::string& a, const std::string& b) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto first, Checkpoint::Open(a));
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto second, Checkpoint::Open(b));
  for (const ModuleSpec& module : first->modules()) {
    for (const TensorSpec& tensor : ModuleTensors(module)) {
      ASSERT_EQ(first->StoredScheme(tensor.name), second->StoredScheme(tensor.name)) << tensor.name;
      int64_t elements = 1;
      for (const int64_t size : tensor.shape) elements *= size;
      std::vector<float> expected(elements, NAN);
      std::vector<float> found(elements, -1);
      GANTRY_ASSERT_OK(first->ReadTensor(tensor.name, 0, elements, expected.data()));
      GANTRY_ASSERT_OK(second->ReadTensor(tensor.name, 0, elements, found.data()));
      ASSERT_EQ(found, expected) << tensor.name;
    }
  }
}

class QuantiseModelTest : public ::testing::Test {
 protected:
  std::string Output(const std::string& name = "out") const { return folder_.Path(name); }
  // Nothing but `names` is left in the folder.
  void ExpectFiles(std::vector<std::string> names) const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      found.push_back(entry.path().filename());
    }
    EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(names));
  }
  TempFolder folder_;
};

// The whole files, by their hash.
TEST_F(QuantiseModelTest, FourBitFilesAreThoseOfTransformersByteForByte) {
  for (const auto& [name, hash] : {std::pair("nf4-dq-bf16", uint64_t{0x63bebdaa8121fdce}),
                                   std::pair("nf4-fp32", uint64_t{0xee91f66928d10bdf})}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(const QuantisedModel written, Write(OptionsOf(name, Output(name))));
    EXPECT_EQ(written.weights, 42);
    EXPECT_EQ(written.files, 1);
    GANTRY_ASSERT_OK_AND_ASSIGN(const std::string bytes,
                                ReadFile(Output(name) + "/model.safetensors", 1 << 30));
    EXPECT_EQ(Fnv1a(bytes), hash) << name;
  }
}

// Of the int8 file everything but codes whose quotient is within rounding of a half.
TEST_F(QuantiseModelTest, TheInt8FileIsThatOfTransformers) {
  GANTRY_ASSERT_OK(Write(OptionsOf("int8", Output())));
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::string bytes,
                              ReadFile(Output() + "/model.safetensors", 1 << 30));
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::string header,
                              ReadFile(Reference("int8/header.json"), 1 << 20));
  EXPECT_EQ(bytes.substr(8, header.find_last_of('}') + 1),
            header.substr(0, header.find_last_of('}') + 1));
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto reference, Checkpoint::Open(Reference("cut/int8")));
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto written, Checkpoint::Open(Output()));
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto source, Checkpoint::Open(kDemo));
  for (const TensorSpec& tensor : ModuleTensors(reference->modules()[1])) {
    if (tensor.shape.size() == 1) continue;
    GANTRY_ASSERT_OK_AND_ASSIGN(const PackedTensor expected, reference->ReadPacked(tensor.name));
    GANTRY_ASSERT_OK_AND_ASSIGN(const PackedTensor found, written->ReadPacked(tensor.name));
    EXPECT_EQ(found.absmax, expected.absmax) << tensor.name;
    std::vector<float> weights(found.rows * found.cols);
    GANTRY_ASSERT_OK(source->ReadTensor(tensor.name, 0, weights.size(), weights.data()));
    for (size_t i = 0; i < weights.size(); ++i) {
      if (found.codes[i] == expected.codes[i]) continue;
      const double quotient =
          127.0 * F16ToFloat(FloatToF16(weights[i])) / found.absmax[i / found.cols];
      ASSERT_NEAR(std::fabs(quotient) - std::floor(std::fabs(quotient)), 0.5, 1e-4)
          << tensor.name << " " << i;
      ASSERT_EQ(
          std::abs(static_cast<int8_t>(found.codes[i]) - static_cast<int8_t>(expected.codes[i])),
          1);
    }
  }
}

TEST_F(QuantiseModelTest, WhatWasSavedIsWhatLoadingQuantises) {
  for (const char* name : {"int8", "nf4-dq-bf16", "nf4-fp32"}) {
    const QuantiseOptions options = OptionsOf(name, Output(name));
    GANTRY_ASSERT_OK(Write(options));
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto written, Checkpoint::Open(Output(name)));
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto source, Checkpoint::Open(kDemo));
    for (const ModuleSpec& module : written->modules()) {
      for (const TensorSpec& tensor : ModuleTensors(module)) {
        const TensorScheme scheme = written->StoredScheme(tensor.name);
        const bool is_linear = module.kind == ModuleKind::kLayer && tensor.shape.size() == 2;
        ASSERT_EQ(IsQuantised(scheme.scheme), is_linear) << tensor.name;
        if (!is_linear) {
          EXPECT_EQ(written->TensorDType(tensor.name), *options.dtype);
          continue;
        }
        std::vector<float> weights(tensor.shape[0] * tensor.shape[1]);
        GANTRY_ASSERT_OK(source->ReadTensor(tensor.name, 0, weights.size(), weights.data()));
        GANTRY_ASSERT_OK_AND_ASSIGN(const PackedTensor expected,
                                    Quantise(scheme, tensor.shape[0], tensor.shape[1], weights));
        GANTRY_ASSERT_OK_AND_ASSIGN(const PackedTensor found, written->ReadPacked(tensor.name));
        EXPECT_EQ(found.codes, expected.codes) << tensor.name;
        EXPECT_EQ(found.absmax, expected.absmax);
        EXPECT_EQ(found.absmax_codes, expected.absmax_codes);
        EXPECT_EQ(found.nested_absmax, expected.nested_absmax);
        EXPECT_EQ(found.nested_map, expected.nested_map);
        EXPECT_EQ(found.nested_offset, expected.nested_offset);

        // The reader's arithmetic is the reference's.
        std::vector<float> values(weights.size(), NAN);
        Dequantise(found, 0, found.rows, written->TensorDType(tensor.name), values.data());
        std::vector<float> read(weights.size(), -1);
        GANTRY_ASSERT_OK(written->ReadTensor(tensor.name, 0, read.size(), read.data()));
        ASSERT_EQ(read, values) << tensor.name;
      }
    }
  }
}

// A CPU worker in float32 that is given an nf4 checkpoint computes what bitsandbytes does with a
// compute type of float32.
TEST_F(QuantiseModelTest, AQuantisedCheckpointComputesWhatBitsandbytesDoes) {
  GANTRY_ASSERT_OK(Write(OptionsOf("nf4-fp32", Output())));
  TestPipeline pipeline(Output(), {.cuts = {3}});
  const std::vector<int32_t> prompt = {317, 380, 316, 13, 994, 296, 347, 389, 415, 263,
                                       414, 495, 972, 2,  13,  315, 383, 316, 13};
  const std::vector<float> expected =
      ReadTensorFile(Reference("logits.safetensors"), "nf4-fp32.logits.0");
  const std::vector<float> logits = pipeline.Observe(prompt, 7).at("lm_head");
  const std::vector<float> last(logits.end() - expected.size(), logits.end());
  EXPECT_LE(RelativeError(last, expected), 5e-6);
  EXPECT_EQ(pipeline.Generate({prompt}, 64, 23)[0],
            (std::vector<int32_t>{1006, 409,  495, 412, 541, 1011, 313, 957, 970, 1000, 980, 980,
                                  980,  1000, 980, 980, 980, 1000, 980, 980, 980, 389,  987}));
}

TEST_F(QuantiseModelTest, TheConfigSaysHowAndTheRestIsCopied) {
  QuantiseOptions options = OptionsOf("nf4-dq-bf16", Output());
  options.quantization.has_skip_modules = true;
  options.quantization.llm_int8_skip_modules = {"lm_head", "down_proj"};
  GANTRY_ASSERT_OK(Write(options));
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json config, ReadJsonFile(Output() + "/config.json"));
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json before, ReadJsonFile(std::string(kDemo) + "/config.json"));
  for (const auto& [key, value] : before.items()) {
    EXPECT_EQ(config[key], value) << key;
  }
  EXPECT_EQ(config["quantization_config"]["llm_int8_skip_modules"], (Json{"lm_head", "down_proj"}));
  for (const auto& entry : fs::directory_iterator(kDemo)) {
    const std::string name = entry.path().filename();
    if (name == "config.json" || name == "model.safetensors") continue;
    GANTRY_ASSERT_OK_AND_ASSIGN(const std::string expected, ReadFile(entry.path(), 1 << 30));
    GANTRY_ASSERT_OK_AND_ASSIGN(const std::string found, ReadFile(Output() + "/" + name, 1 << 30));
    EXPECT_TRUE(expected == found) << name;
  }
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto written, Checkpoint::Open(Output()));
  EXPECT_EQ(written->StoredScheme("model.layers.2.mlp.down_proj.weight").scheme, Scheme::kBf16);
  EXPECT_EQ(written->StoredScheme("model.layers.2.mlp.up_proj.weight").scheme, Scheme::kNf4);
  ExpectFiles({"out"});
}

TEST_F(QuantiseModelTest, TheTypeOfTheRestIsInTheConfig) {
  QuantiseOptions options = Nf4(Small("llama-tied"), Output());
  options.dtype = DType::kF16;
  GANTRY_ASSERT_OK_AND_ASSIGN(const QuantisedModel written, Write(options));
  EXPECT_EQ(written.dtype, DType::kF16);
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, Checkpoint::Open(Output()));
  EXPECT_EQ(checkpoint->config().dtype, DType::kF16);
  EXPECT_EQ(checkpoint->TensorDType("model.norm.weight"), DType::kF16);
  EXPECT_EQ(checkpoint->TensorDType("model.layers.0.mlp.up_proj.weight"), DType::kF16);
}

TEST_F(QuantiseModelTest, LargeModelsAreCutIntoFiles) {
  GANTRY_ASSERT_OK(Write(Nf4(kDemo, Output("one"))));
  QuantiseOptions options = Nf4(kDemo, Output("many"));
  options.max_shard_bytes = 300'000;  // less than the embedding
  options.threads = 3;
  GANTRY_ASSERT_OK_AND_ASSIGN(const QuantisedModel written, Write(options));
  ASSERT_GT(written.files, 5);
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json index,
                              ReadJsonFile(Output("many") + "/model.safetensors.index.json"));
  EXPECT_EQ(index["metadata"]["total_size"], written.bytes);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(Output("many"))) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("model-")) continue;
    ++files;
    EXPECT_TRUE(name.ends_with(absl::StrFormat("-of-%05d.safetensors", written.files))) << name;
  }
  EXPECT_EQ(files, written.files);
  EXPECT_FALSE(fs::exists(Output("many") + "/model.safetensors"));
  ExpectSameTensors(Output("one"), Output("many"));
}

TEST_F(QuantiseModelTest, EveryArchitectureAndStorageType) {
  for (const char* model :
       {"llama-tied", "llama-mha-sharded", "phi3", "mistral-window", "qwen2-bias"}) {
    const std::string first = Output(std::string(model) + "-uint8");
    GANTRY_ASSERT_OK(Write(Nf4(Small(model), first)));
    for (const DType storage : {DType::kBF16, DType::kF64}) {
      QuantiseOptions options =
          Nf4(Small(model), Output(absl::StrCat(model, "-", TorchName(storage))));
      options.quantization.bnb_4bit_quant_storage = storage;
      GANTRY_ASSERT_OK(Write(options));
      ExpectSameTensors(first, options.output);
    }
    // It computes: every tensor is where it belongs.
    TestPipeline pipeline(first, {});
    EXPECT_EQ(pipeline.Generate({{5, 6, 7}}, 2, 4)[0].size(), 4);
  }
}

TEST_F(QuantiseModelTest, AFullFolderIsLeftAsItIs) {
  fs::create_directory(Output("empty"));
  GANTRY_EXPECT_OK(Write(Nf4(Small("phi3"), Output("empty") + "/")));
  folder_.Write("full/notes.txt", "mine");
  EXPECT_THAT(Write(Nf4(Small("phi3"), Output("full"))),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(Output("full"))));
  folder_.Write("file", "mine");
  EXPECT_THAT(Write(Nf4(Small("phi3"), Output("file"))),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(Output("file"))));
  EXPECT_THAT(Write(Nf4(Small("phi3"), Output("file") + "/below")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("below")));
  ExpectFiles({"empty", "full", "file"});
}

TEST_F(QuantiseModelTest, AQuantisedModelIsRefused) {
  EXPECT_THAT(OpenModelToQuantise(Reference("cut/int8")),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("cut/int8/config.json"), HasSubstr("quantised already"))));
  EXPECT_THAT(OpenModelToQuantise("/no/such"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/no/such")));
}

TEST_F(QuantiseModelTest, AWeightThatIsNotFiniteIsNamedAndNothingIsLeft) {
  fs::copy(Small("llama-tied"), folder_.Path("model"));
  const std::string path = folder_.Path("model/model.safetensors");
  GANTRY_ASSERT_OK_AND_ASSIGN(const File file, File::Open(path));
  GANTRY_ASSERT_OK_AND_ASSIGN(const SafetensorsHeader header, ReadSafetensorsHeader(file));
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  for (const SafetensorsEntry& entry : header.entries) {
    if (entry.name != name) continue;
    std::fstream out(path, std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(header.data_begin + entry.begin));
    out.write("\0\0\xc0\x7f", 4);
  }
  for (const bool double_quant : {false, true}) {
    QuantiseOptions options = Nf4(folder_.Path("model"), Output());
    options.quantization.bnb_4bit_use_double_quant = double_quant;
    EXPECT_THAT(Write(options), StatusIs(absl::StatusCode::kInvalidArgument,
                                         AllOf(HasSubstr(folder_.Path("model")), HasSubstr(name),
                                               HasSubstr("element [0, 0]"))));
  }
  ExpectFiles({"model"});
}

TEST(OutputFolderTest, AppearsWhenItIsCommitted) {
  TempFolder folder;
  const std::string path = folder.Path("deep/er");
  {
    GANTRY_ASSERT_OK_AND_ASSIGN(OutputFolder output, OutputFolder::Create(path));
    GANTRY_ASSERT_OK(WriteFile(output.path() + "/a", "1"));
    EXPECT_FALSE(fs::exists(path));
  }
  EXPECT_TRUE(fs::is_empty(folder.Path("deep")));
  GANTRY_ASSERT_OK_AND_ASSIGN(OutputFolder output, OutputFolder::Create(path + "/"));
  GANTRY_ASSERT_OK(WriteFile(output.path() + "/a", "2"));
  EXPECT_THAT(WriteFile(output.path() + "/a", "3"),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("/a")));
  GANTRY_ASSERT_OK(output.Commit());
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path + "/a", 10));
  EXPECT_EQ(text, "2");
}

TEST(OutputFolderTest, CopiesWhatBelongsToAModelButNoWeights) {
  TempFolder folder;
  for (const char* name :
       {"from/config.json", "from/tokenizer.json", "from/tokenizer.model", "from/merges.txt",
        "from/chat_template.jinja", "from/LICENSE", "from/README.md",
        "from/additional_chat_templates/tools.jinja", "from/model.safetensors",
        "from/model.safetensors.index.json", "from/pytorch_model.bin",
        "from/pytorch_model.bin.index.json", "from/original/params.json", "from/x.gguf"}) {
    folder.Write(name, name);
  }
  folder.Write("blob", "linked");
  fs::create_symlink("../blob", folder.Path("from/vocab.json"));
  fs::create_directory(folder.Path("to"));
  GANTRY_ASSERT_OK(CopySideFiles(folder.Path("from"), folder.Path("to")));
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder.Path("to"))) {
    if (entry.is_regular_file()) found.push_back(fs::relative(entry.path(), folder.Path("to")));
  }
  EXPECT_THAT(found,
              ::testing::UnorderedElementsAre(
                  "tokenizer.json", "tokenizer.model", "merges.txt", "chat_template.jinja",
                  "LICENSE", "README.md", "additional_chat_templates/tools.jinja", "vocab.json"));
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(folder.Path("to/vocab.json"), 10));
  EXPECT_EQ(text, "linked");
}

}  // namespace
}  // namespace gantry
