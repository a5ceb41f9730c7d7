#include "model/checkpoint.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "model/safetensors.h"
#include "tests/model/sample_config.h"
#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

std::string Model(const std::string& name) { return GANTRY_TESTDATA "/models/" + name; }

// A tensor to write: the value of element i is i, so that a wrong offset shows.
struct Tensor {
  std::string name;
  std::string dtype = "F32";
  std::vector<int64_t> shape;
};

std::string SafetensorsBytes(const std::vector<Tensor>& tensors) {
  Json header = Json::object();
  std::string data;
  for (const Tensor& tensor : tensors) {
    int64_t elements = 1;
    for (const int64_t dim : tensor.shape) elements *= dim;
    const size_t begin = data.size();
    for (int64_t i = 0; i < elements; ++i) {
      const float value = static_cast<float>(i % 256);
      if (tensor.dtype == "F32" || tensor.dtype == "I32") {
        data.append(reinterpret_cast<const char*>(&value), 4);
      } else {
        const uint16_t bits = tensor.dtype == "F16" ? FloatToF16(value) : FloatToBF16(value);
        data.append(reinterpret_cast<const char*>(&bits), 2);
      }
    }
    header[tensor.name] = Json{
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(text.size() >> (8 * i)));
  return bytes + text + data;
}

std::vector<Tensor> TensorsOf(const Json& config) {
  std::vector<Tensor> tensors;
  for (const ModuleSpec& module : ListModules(MustParse(config))) {
    for (const TensorSpec& tensor : ModuleTensors(module)) {
      if (!tensors.empty() && tensor.name == tensors.front().name) continue;  // tied
      tensors.push_back({tensor.name, "F32", tensor.shape});
    }
  }
  return tensors;
}

// A model folder of SampleConfig, to be spoilt.
class CheckpointTest : public ::testing::Test {
 protected:
  void WriteAll() {
    folder_.Write("config.json", config_.dump());
    folder_.Write("model.safetensors", SafetensorsBytes(tensors_));
  }
  absl::Status Open() { return Checkpoint::Open(folder_.path()).status(); }
  Tensor& Find(const std::string& name) {
    for (Tensor& tensor : tensors_) {
      if (tensor.name == name) return tensor;
    }
    ADD_FAILURE() << name;
    return tensors_[0];
  }
  void Remove(const std::string& name) {
    std::vector<Tensor> kept;
    for (const Tensor& tensor : tensors_) {
      if (tensor.name != name) kept.push_back(tensor);
    }
    tensors_ = kept;
  }

  TempFolder folder_;
  Json config_ = SampleConfig();
  std::vector<Tensor> tensors_ = TensorsOf(config_);
};

TEST_F(CheckpointTest, ReferenceModelsOpen) {
  const std::pair<const char*, DType> models[] = {{"llama-tied", DType::kF32},
                                                  {"llama-mha-sharded", DType::kF16},
                                                  {"phi3", DType::kBF16},
                                                  {"mistral-window", DType::kF32},
                                                  {"qwen2-bias", DType::kF32}};
  for (const auto& [name, dtype] : models) {
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, Checkpoint::Open(Model(name)));
    EXPECT_EQ(checkpoint->modules().size(), 7) << name;
    for (const ModuleSpec& module : checkpoint->modules()) {
      for (const TensorSpec& tensor : ModuleTensors(module)) {
        EXPECT_EQ(checkpoint->TensorDType(tensor.name), dtype) << tensor.name;
        int64_t elements = 1;
        for (const int64_t dim : tensor.shape) elements *= dim;
        std::vector<float> values(elements, std::numeric_limits<float>::quiet_NaN());
        GANTRY_ASSERT_OK(checkpoint->ReadTensor(tensor.name, 0, elements, values.data()));
        for (const float value : values) ASSERT_TRUE(std::fabs(value) < 100) << tensor.name;
        EXPECT_EQ(checkpoint->TensorBytes(tensor.name), elements * DTypeSize(dtype));
      }
    }
  }
}

TEST_F(CheckpointTest, FingerprintNamesEveryFile) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto sharded, Checkpoint::Open(Model("llama-mha-sharded")));
  ASSERT_EQ(sharded->fingerprint().size(), 6);
  EXPECT_EQ(sharded->fingerprint()[0].name, "config.json");
  EXPECT_EQ(sharded->fingerprint()[1].name, "model-00001-of-00005.safetensors");
  EXPECT_EQ(sharded->fingerprint()[1].size, 279184);
  EXPECT_NE(sharded->fingerprint()[2].header, sharded->fingerprint()[3].header);
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto again, Checkpoint::Open(Model("llama-mha-sharded")));
  EXPECT_EQ(sharded->fingerprint(), again->fingerprint());
}

TEST_F(CheckpointTest, ReadsRangesOfEveryType) {
  for (const char* dtype : {"F32", "F16", "BF16"}) {
    Find("model.layers.1.mlp.down_proj.weight").dtype = dtype;
    WriteAll();
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, Checkpoint::Open(folder_.path()));
    const char* name = "model.layers.1.mlp.down_proj.weight";  // 1536 elements
    for (const auto& [first, count] :
         {std::pair<int64_t, int64_t>{0, 1536}, {0, 1}, {1535, 1}, {100, 200}, {1536, 0}, {7, 0}}) {
      std::vector<float> values(count + 1, -1);
      GANTRY_ASSERT_OK(checkpoint->ReadTensor(name, first, count, values.data()));
      for (int64_t i = 0; i < count; ++i) EXPECT_EQ(values[i], (first + i) % 256);
      EXPECT_EQ(values[count], -1);  // nothing is written behind the range
    }
    float unused = 0;
    for (const auto& [first, count] :
         {std::pair<int64_t, int64_t>{0, 1537},
          {1536, 1},
          {-1, 1},
          {0, -1},
          {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max()}}) {
      EXPECT_THAT(checkpoint->ReadTensor(name, first, count, &unused),
                  StatusIs(kInvalid, HasSubstr(name)));
    }
    EXPECT_THAT(checkpoint->ReadTensor("no.such", 0, 1, &unused),
                StatusIs(kInvalid, HasSubstr("no.such")));
  }
}

// Longer than the staging buffer, so that it is read in several pieces.
TEST_F(CheckpointTest, ReadsInPieces) {
  config_["vocab_size"] = 10000;
  tensors_ = TensorsOf(config_);
  tensors_[0].dtype = "BF16";
  WriteAll();
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, Checkpoint::Open(folder_.path()));
  std::vector<float> values(320000 - 3);
  GANTRY_ASSERT_OK(
      checkpoint->ReadTensor("model.embed_tokens.weight", 3, values.size(), values.data()));
  for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], (i + 3) % 256);
}

TEST_F(CheckpointTest, ExtraTensorsAreIgnored) {
  tensors_.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", "I32", {4}});
  WriteAll();
  GANTRY_EXPECT_OK(Open());
}

TEST_F(CheckpointTest, TiedHeadMayBePresentOrAbsent) {
  config_["tie_word_embeddings"] = true;
  WriteAll();
  GANTRY_EXPECT_OK(Open());
  Remove("lm_head.weight");
  WriteAll();
  GANTRY_EXPECT_OK(Open());
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, Checkpoint::Open(folder_.path()));
  EXPECT_EQ(checkpoint->TensorBytes(checkpoint->modules().back().matrix.weights[0].name),
            64 * 32 * 4);
}

TEST_F(CheckpointTest, MissingHeadIsNamed) {
  Remove("lm_head.weight");
  WriteAll();
  EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr("\"lm_head.weight\""),
                                               HasSubstr("tie_word_embeddings"))));
}

TEST_F(CheckpointTest, MissingTensorIsNamed) {
  Remove("model.layers.2.mlp.up_proj.weight");
  WriteAll();
  EXPECT_THAT(Open(), StatusIs(kInvalid, HasSubstr("\"model.layers.2.mlp.up_proj.weight\"")));
}

TEST_F(CheckpointTest, WrongShapeNamesBoth) {
  Find("model.layers.0.self_attn.k_proj.weight").shape = {32, 32};
  WriteAll();
  EXPECT_THAT(Open(),
              StatusIs(kInvalid, AllOf(HasSubstr("model.safetensors: tensor "
                                                 "\"model.layers.0.self_attn.k_proj.weight\""),
                                       HasSubstr("[16, 32]"), HasSubstr("[32, 32]"))));
  Find("model.layers.0.self_attn.k_proj.weight").shape = {512};  // as many elements
  WriteAll();
  EXPECT_THAT(Open(), StatusIs(kInvalid, HasSubstr("found [512]")));
}

TEST_F(CheckpointTest, WrongTypeIsNamed) {
  Find("model.norm.weight").dtype = "I32";
  WriteAll();
  EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr("model.norm.weight"), HasSubstr("I32"))));
}

TEST_F(CheckpointTest, NoFiles) {
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("config.json")));
  folder_.Write("config.json", config_.dump());
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kNotFound,
                               AllOf(HasSubstr("model.safetensors"), HasSubstr("index.json"))));
  folder_.Write("pytorch_model.bin", "x");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("pytorch_model.bin")));
}

TEST_F(CheckpointTest, FileThatShrinksAfterOpening) {
  WriteAll();
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, Checkpoint::Open(folder_.path()));
  const std::string path = folder_.Path("model.safetensors");
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 100);
  std::vector<float> values(64 * 32);
  EXPECT_THAT(checkpoint->ReadTensor("lm_head.weight", 0, values.size(), values.data()),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("lm_head.weight"), HasSubstr("model.safetensors"))));
}

// The same model in two files and an index.
class ShardedTest : public CheckpointTest {
 protected:
  ShardedTest() {
    const size_t half = tensors_.size() / 2;
    first_.assign(tensors_.begin(), tensors_.begin() + half);
    second_.assign(tensors_.begin() + half, tensors_.end());
    for (const Tensor& tensor : first_) map_[tensor.name] = "a.safetensors";
    for (const Tensor& tensor : second_) map_[tensor.name] = "b.safetensors";
    folder_.Write("config.json", config_.dump());
    folder_.Write("a.safetensors", SafetensorsBytes(first_));
    folder_.Write("b.safetensors", SafetensorsBytes(second_));
  }
  absl::Status OpenIndex() {
    folder_.Write("model.safetensors.index.json", Json{{"weight_map", map_}}.dump());
    return Open();
  }
  std::vector<Tensor> first_, second_;
  Json map_ = Json::object();
};

TEST_F(ShardedTest, Opens) { GANTRY_EXPECT_OK(OpenIndex()); }

TEST_F(ShardedTest, LinksAsInTheHubCacheAreFollowed) {
  folder_.Write("blobs/0123", SafetensorsBytes(first_));
  std::filesystem::remove(folder_.Path("a.safetensors"));
  std::filesystem::create_symlink("blobs/0123", folder_.Path("a.safetensors"));
  GANTRY_EXPECT_OK(OpenIndex());
}

TEST_F(ShardedTest, MissingShardIsNamed) {
  std::filesystem::remove(folder_.Path("b.safetensors"));
  EXPECT_THAT(OpenIndex(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("b.safetensors")));
}

TEST_F(ShardedTest, LoopingLinkIsAnError) {
  std::filesystem::remove(folder_.Path("b.safetensors"));
  std::filesystem::create_symlink("b.safetensors", folder_.Path("b.safetensors"));
  const absl::Status status = OpenIndex();
  EXPECT_THAT(std::string(status.message()), HasSubstr("b.safetensors"));
}

TEST_F(ShardedTest, FolderInPlaceOfAShard) {
  std::filesystem::remove(folder_.Path("b.safetensors"));
  std::filesystem::create_directory(folder_.Path("b.safetensors"));
  EXPECT_THAT(OpenIndex(), StatusIs(kInvalid, HasSubstr("not a regular file")));
}

TEST_F(ShardedTest, TensorInTheWrongShard) {
  map_["model.embed_tokens.weight"] = "b.safetensors";
  EXPECT_THAT(OpenIndex(), StatusIs(kInvalid, AllOf(HasSubstr("b.safetensors"),
                                                    HasSubstr("model.embed_tokens.weight"))));
}

TEST_F(ShardedTest, ListedExtraTensorMustExistToo) {
  map_["model.extra"] = "a.safetensors";
  EXPECT_THAT(OpenIndex(), StatusIs(kInvalid, HasSubstr("model.extra")));
}

TEST_F(ShardedTest, TensorThatTheIndexLeavesOut) {
  map_.erase("model.norm.weight");
  EXPECT_THAT(OpenIndex(), StatusIs(kInvalid, HasSubstr("model.norm.weight")));
}

TEST_F(ShardedTest, NamesMustStayInTheFolder) {
  folder_.Write("deeper/x.safetensors", SafetensorsBytes(first_));
  const Json names[] = {"../a.safetensors",
                        "/etc/passwd",
                        "deeper/x.safetensors",
                        "./a.safetensors",
                        "..",
                        ".",
                        "",
                        std::string("a.safetensors\0.txt", 18),
                        std::string(300, 'a'),
                        7,
                        nullptr,
                        {"a.safetensors"}};
  for (const Json& name : names) {
    map_["model.embed_tokens.weight"] = name;
    EXPECT_THAT(OpenIndex(), StatusIs(kInvalid, AllOf(HasSubstr("weight_map"),
                                                      HasSubstr("model.embed_tokens.weight"))))
        << name;
  }
}

TEST_F(ShardedTest, BadIndexes) {
  for (const char* text : {"", "[]", "{}", R"({"weight_map":{}})", R"({"weight_map":[]})",
                           R"({"weight_map":{"a":"a.safetensors","a":"b.safetensors"}})"}) {
    folder_.Write("model.safetensors.index.json", text);
    EXPECT_THAT(Open(), StatusIs(kInvalid, HasSubstr("model.safetensors.index.json"))) << text;
  }
}

TEST_F(ShardedTest, TooManyFiles) {
  for (int i = 0; i < 5000; ++i) map_["t" + std::to_string(i)] = "f" + std::to_string(i);
  EXPECT_THAT(OpenIndex(), StatusIs(kInvalid, HasSubstr("at most 4096 files")));
}

}  // namespace
}  // namespace gantry
