#include "model/quantised_tensor.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <random>

#include "base/json.h"
#include "model/checkpoint.h"
#include "model/safetensors_writer.h"
#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr char kQ[] = "model.layers.0.self_attn.q_proj.weight";  // [256, 256]
constexpr char kState[] = "model.layers.0.self_attn.q_proj.weight.quant_state.bitsandbytes__nf4";
constexpr char kScb[] = "model.layers.0.self_attn.q_proj.SCB";
constexpr char kFormat[] = "model.layers.0.self_attn.q_proj.weight_format";

// A checkpoint that transformers saved, cut to one layer and 64 words.
std::string Model(const std::string& name) { return GANTRY_TESTDATA "/prequantized/cut/" + name; }

struct Tensor {
  DType dtype;
  std::vector<uint64_t> shape;
  std::string data;

  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data.data());
  }
};

// The tensors of a checkpoint in memory, to be spoilt and written to a folder of their own.
class SpoiltModel {
 public:
  explicit SpoiltModel(const std::string& name) {
    config = ReadJsonFile(Model(name) + "/config.json").value();
    const File file = File::Open(Model(name) + "/model.safetensors").value();
    const SafetensorsHeader header = ReadSafetensorsHeader(file).value();
    for (const SafetensorsEntry& entry : header.entries) {
      Tensor& tensor = tensors[entry.name];
      tensor = {*entry.dtype, entry.shape, std::string(entry.end - entry.begin, '\0')};
      EXPECT_THAT(
          file.ReadAt(header.data_begin + entry.begin, tensor.data.size(), tensor.data.data()),
          IsOk());
    }
  }

  Tensor& at(const std::string& name) { return tensors.at(name); }
  void Rename(const std::string& from, const std::string& to) {
    tensors[to] = tensors.at(from);
    tensors.erase(from);
  }
  // Replaces a piece of the text of a quant_state.
  void Edit(const std::string& from, const std::string& to) {
    Tensor& state = at(kState);
    const size_t place = state.data.find(from);
    ASSERT_NE(place, std::string::npos) << from;
    state.data.replace(place, from.size(), to);
    state.shape = {state.data.size()};
  }
  absl::StatusOr<std::unique_ptr<Checkpoint>> Open() {
    folder_.Write("config.json", config.dump());
    std::filesystem::remove(folder_.Path("model.safetensors"));
    std::vector<TensorToWrite> list;
    for (const auto& [name, tensor] : tensors) list.push_back({name, tensor.dtype, tensor.shape});
    auto writer = SafetensorsWriter::Create(folder_.Path("model.safetensors"), list);
    if (!writer.ok()) return writer.status();
    for (const auto& [name, tensor] : tensors) {
      EXPECT_THAT((*writer)->Write(name, tensor.data), IsOk());
    }
    return Checkpoint::Open(folder_.path());
  }
  std::string path() const { return folder_.Path("model.safetensors"); }

  Json config;
  std::map<std::string, Tensor> tensors;

 private:
  TempFolder folder_;
};

TEST(QuantisedTensorTest, ReferenceCheckpointsOpen) {
  const std::tuple<const char*, TensorScheme, DType> cases[] = {
      {"int8", {.scheme = Scheme::kInt8}, DType::kF32},
      {"nf4-dq-bf16", {.scheme = Scheme::kNf4, .double_quant = true}, DType::kBF16},
      {"nf4-fp32", {.scheme = Scheme::kNf4}, DType::kF32}};
  for (const auto& [name, scheme, dtype] : cases) {
    SpoiltModel model(name);
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, Checkpoint::Open(Model(name)));
    EXPECT_EQ(checkpoint->config().quantization->load_in_8bit, scheme.scheme == Scheme::kInt8);
    const ModuleSpec& layer = checkpoint->modules()[1];
    uint64_t bytes = 0;
    for (const TensorSpec& tensor : ModuleTensors(layer)) {
      bytes += checkpoint->TensorBytes(tensor.name);
      if (tensor.shape.size() == 1) continue;
      EXPECT_EQ(checkpoint->StoredScheme(tensor.name), scheme) << tensor.name;
      EXPECT_EQ(checkpoint->TensorDType(tensor.name), dtype) << tensor.name;
      GANTRY_ASSERT_OK_AND_ASSIGN(const PackedTensor packed, checkpoint->ReadPacked(tensor.name));
      EXPECT_EQ(packed.rows, tensor.shape[0]);
      EXPECT_EQ(packed.cols, tensor.shape[1]);
      const Tensor& stored = model.at(tensor.name);
      EXPECT_TRUE(std::equal(stored.data.begin(), stored.data.end(), packed.codes.begin(),
                             packed.codes.end(),
                             [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; }));
      EXPECT_THAT(checkpoint->ReadRaw(tensor.name, 0, 1, nullptr),
                  StatusIs(kInvalid, HasSubstr(tensor.name)));
    }
    uint64_t expected = 0;
    for (const auto& [tensor, stored] : model.tensors) {
      if (tensor.find("layers.0.") == std::string::npos) continue;
      if (tensor.find("weight_format") == std::string::npos) expected += stored.data.size();
      if (tensor.find("weight_format") != std::string::npos) expected += 1;
    }
    EXPECT_EQ(bytes, expected) << name;
    const char* norm = "model.norm.weight";
    EXPECT_THAT(checkpoint->ReadPacked(norm), StatusIs(kInvalid, HasSubstr(norm)));
  }
}

// By the rules written down in the header, from the bytes of the file.
TEST(QuantisedTensorTest, DequantisesAsItIsWritten) {
  SpoiltModel nf4("nf4-dq-bf16");
  const std::string weight = "model.layers.0.mlp.down_proj.weight";
  GANTRY_ASSERT_OK_AND_ASSIGN(auto checkpoint, nf4.Open());
  std::vector<float> values(256 * 512, NAN);
  GANTRY_ASSERT_OK(checkpoint->ReadTensor(weight, 0, values.size(), values.data()));
  const float* map = nf4.at(weight + ".nested_quant_map").as<float>();
  const float* nested = nf4.at(weight + ".nested_absmax").as<float>();
  const float* codes = nf4.at(weight + ".quant_map").as<float>();
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t block = i / 64;
    const uint8_t code = nf4.at(weight + ".absmax").as<uint8_t>()[block];
    const volatile float product = map[code] * nested[block / 256];
    const float absmax = product + 0.12476110458374023f;
    const uint8_t pair = nf4.at(weight).as<uint8_t>()[i / 2];
    const float value = codes[i % 2 == 0 ? pair >> 4 : pair & 15] * absmax;
    ASSERT_EQ(values[i], BF16ToFloat(FloatToBF16(value))) << i;
  }

  SpoiltModel int8("int8");
  GANTRY_ASSERT_OK_AND_ASSIGN(checkpoint, int8.Open());
  values.assign(256 * 256, NAN);
  GANTRY_ASSERT_OK(checkpoint->ReadTensor(kQ, 0, values.size(), values.data()));
  for (size_t i = 0; i < values.size(); ++i) {
    const float expected = int8.at(kQ).as<int8_t>()[i] * int8.at(kScb).as<float>()[i / 256] / 127;
    ASSERT_NEAR(values[i], expected, 1e-6 * std::fabs(expected)) << i;
  }
}

TEST(QuantisedTensorTest, RangesBeginAndEndAnywhere) {
  std::mt19937 random(std::random_device{}());
  for (const char* name : {"int8", "nf4-dq-bf16", "nf4-fp32"}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, Checkpoint::Open(Model(name)));
    const char* weight = "model.layers.0.mlp.gate_proj.weight";  // longer than is read at a time
    constexpr int64_t kElements = 512 * 256;
    std::vector<float> whole(kElements, NAN);
    GANTRY_ASSERT_OK(checkpoint->ReadTensor(weight, 0, kElements, whole.data()));
    for (int i = 0; i < 50; ++i) {
      const int64_t first = random() % kElements;
      const int64_t count = random() % (kElements - first + 1);
      std::vector<float> part(count + 1, -7);
      GANTRY_ASSERT_OK(checkpoint->ReadTensor(weight, first, count, part.data()));
      ASSERT_TRUE(std::equal(part.begin(), part.end() - 1, whole.begin() + first)) << first;
      ASSERT_EQ(part.back(), -7);
    }
    float unused;
    EXPECT_THAT(checkpoint->ReadTensor(weight, kElements, 1, &unused),
                StatusIs(kInvalid, HasSubstr(weight)));
  }
}

// The same bytes under another type: what FSDP needs.
TEST(QuantisedTensorTest, EveryStorageTypeHoldsTheSameBytes) {
  SpoiltModel model("nf4-fp32");
  GANTRY_ASSERT_OK_AND_ASSIGN(auto checkpoint, model.Open());
  GANTRY_ASSERT_OK_AND_ASSIGN(const PackedTensor expected, checkpoint->ReadPacked(kQ));
  const uint64_t bytes = model.at(kQ).data.size();
  for (const DType dtype : {DType::kI8, DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    model.at(kQ).dtype = dtype;
    model.at(kQ).shape = {bytes / DTypeSize(dtype), 1};
    GANTRY_ASSERT_OK_AND_ASSIGN(checkpoint, model.Open());
    GANTRY_ASSERT_OK_AND_ASSIGN(const PackedTensor packed, checkpoint->ReadPacked(kQ));
    EXPECT_EQ(packed.codes, expected.codes) << DTypeName(dtype);
    EXPECT_EQ(packed.absmax, expected.absmax);
    model.at(kQ).shape = {1, bytes / DTypeSize(dtype)};  // some pass it transposed
    GANTRY_EXPECT_OK(model.Open());
  }
}

TEST(QuantisedTensorTest, Int8WithoutAFormatIsByRows) {
  SpoiltModel model("int8");
  model.tensors.erase(kFormat);
  GANTRY_EXPECT_OK(model.Open());
}

TEST(QuantisedTensorTest, SomeModulesMayBePlain) {
  SpoiltModel model("nf4-fp32");
  for (auto it = model.tensors.begin(); it != model.tensors.end();) {
    it = it->first.find("q_proj.weight.") != std::string::npos ? model.tensors.erase(it) : ++it;
  }
  model.at(kQ) = {DType::kBF16, {256, 256}, std::string(256 * 256 * 2, '\0')};
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, model.Open());
  EXPECT_EQ(checkpoint->StoredScheme(kQ).scheme, Scheme::kBf16);
}

struct BadModel {
  std::string name;
  std::string model;
  std::function<void(SpoiltModel*)> spoil;
  std::string tensor;    // that the error names
  std::string expected;  // what it says
};

class BadModels : public ::testing::TestWithParam<BadModel> {};

TEST_P(BadModels, AreInvalid) {
  SpoiltModel model(GetParam().model);
  GetParam().spoil(&model);
  EXPECT_THAT(model.Open(),
              StatusIs(kInvalid, AllOf(HasSubstr(model.path() + ": tensor \"" + GetParam().tensor),
                                       HasSubstr(GetParam().expected))));
}

constexpr char kInt8[] = "int8";
constexpr char kNf4[] = "nf4-dq-bf16";

const BadModel kBadModels[] = {
    {"NoScb", kInt8, [](SpoiltModel* m) { m->tensors.erase(kScb); }, kQ,
     "missing quantization component: there is no tensor \"model.layers.0.self_attn.q_proj.SCB\""},
    {"ScbOfAnotherSize", kInt8,
     [](SpoiltModel* m) {
       m->at(kScb) = {DType::kF32, {255}, std::string(255 * 4, '\0')};
     },
     kScb, "expected F32 [256], found F32 [255]"},
    {"ScbOfAnotherType", kInt8,
     [](SpoiltModel* m) {
       m->at(kScb) = {DType::kF16, {256}, std::string(256 * 2, '\0')};
     },
     kScb, "expected F32 [256], found F16 [256]"},
    {"Int8WeightOfAnotherType", kInt8,
     [](SpoiltModel* m) {
       m->at(kQ) = {DType::kF16, {256, 256}, std::string(256 * 256 * 2, '\0')};
     },
     kQ, "expected I8 [256, 256] beside its SCB, found F16 [256, 256]"},
    {"Int8WeightOfAnotherShape", kInt8,
     [](SpoiltModel* m) {
       m->at(kQ).shape = {65536, 1};
     },
     kQ, "found I8 [65536, 1]"},
    {"Col32", kInt8, [](SpoiltModel* m) { m->at(kFormat).data = "\1"; }, kFormat,
     "expected 0 (row), found 1 (col32)"},
    {"ColTuring", kInt8, [](SpoiltModel* m) { m->at(kFormat).data = "\2"; }, kFormat,
     "found 2 (col_turing)"},
    {"ColAmpere", kInt8, [](SpoiltModel* m) { m->at(kFormat).data = "\3"; }, kFormat,
     "found 3 (col_ampere)"},
    {"UnknownFormat", kInt8, [](SpoiltModel* m) { m->at(kFormat).data = "\x7f"; }, kFormat,
     "found 127:"},
    {"FormatOfAnotherType", kInt8,
     [](SpoiltModel* m) {
       m->at(kFormat) = {DType::kF32, {}, std::string(4, '\0')};
     },
     kFormat, "expected U8 [1], found F32 []"},
    {"Int8ButConfigSays4Bit", kInt8,
     [](SpoiltModel* m) {
       m->config["quantization_config"] = {{"load_in_4bit", true}};
     },
     "model.layers.0", "config.json says another quantization_config; expected load_in_8bit"},
    {"NotInTheConfig", kNf4, [](SpoiltModel* m) { m->config.erase("quantization_config"); },
     "model.layers.0", "stored as nf4, but config.json has no quantization_config"},
    {"NoState", kNf4, [](SpoiltModel* m) { m->tensors.erase(kState); }, kQ,
     "4-bit codes, without a tensor"},
    {"TwoStates", kNf4,
     [](SpoiltModel* m) {
       m->tensors[std::string(kQ) + ".quant_state.bitsandbytes__fp4"] = m->at(kState);
     },
     kQ, "expected one quant_state, found"},
    {"StateOfAnotherLibrary", kNf4,
     [](SpoiltModel* m) { m->Rename(kState, std::string(kQ) + ".quant_state.other__nf4"); },
     std::string(kQ) + ".quant_state.other__nf4", "ends in quant_state.bitsandbytes__nf4"},
    {"StateOfAnotherCode", kNf4,
     [](SpoiltModel* m) { m->Rename(kState, std::string(kQ) + ".quant_state.bitsandbytes__int8"); },
     std::string(kQ) + ".quant_state.bitsandbytes__int8", "bitsandbytes__nf4"},
    {"NameAndTypeDiffer", kNf4,
     [](SpoiltModel* m) { m->Rename(kState, std::string(kQ) + ".quant_state.bitsandbytes__fp4"); },
     std::string(kQ) + ".quant_state.bitsandbytes__fp4", "quant_type: expected \"fp4\""},
    {"UnknownKey", kNf4, [](SpoiltModel* m) { m->Edit("blocksize", "blockSize"); }, kState,
     "blockSize: expected no field but"},
    {"NestedBlocks", kNf4,
     [](SpoiltModel* m) { m->Edit("\"nested_blocksize\": 256", "\"nested_blocksize\": 128"); },
     kState, "nested_blocksize: expected 256, found 128"},
    {"NotUtf8", kNf4, [](SpoiltModel* m) { m->Edit("nf4", "nf\xff"); }, kState, "UTF-8"},
    {"NotJson", kNf4, [](SpoiltModel* m) { m->Edit("{", "<"); }, kState, "JSON"},
    {"Deep", kNf4,
     [](SpoiltModel* m) { m->Edit("[256, 256]", std::string(60, '[') + std::string(60, ']')); },
     kState, "nested deeper"},
    {"HugeState", kNf4, [](SpoiltModel* m) { m->Edit("{", "{" + std::string(5000, ' ')); }, kState,
     "at most 4096 bytes of JSON"},
    {"StateOfAnotherType", kNf4,
     [](SpoiltModel* m) {
       m->at(kState) = {DType::kF32, {2}, std::string(8, '\0')};
     },
     kState, "expected U8"},
    {"AnotherShape", kNf4, [](SpoiltModel* m) { m->Edit("[256, 256]", "[128, 512]"); }, kQ,
     "expected shape [256, 256] by config.json, its quant_state says [128, 512]"},
    {"HugeShape", kNf4, [](SpoiltModel* m) { m->Edit("[256, 256]", "[2147483648, 2147483648]"); },
     kQ, "bytes of 4-bit codes"},
    {"FewerCodes", kNf4,
     [](SpoiltModel* m) {
       m->at(kQ).data.resize(32767);
       m->at(kQ).shape = {32767, 1};
     },
     kQ, "expected 32768 bytes of 4-bit codes for [256, 256], found U8 [32767, 1]"},
    {"NoAbsmax", kNf4, [](SpoiltModel* m) { m->tensors.erase(std::string(kQ) + ".absmax"); }, kQ,
     "q_proj.weight.absmax"},
    {"FewerAbsmax", kNf4,
     [](SpoiltModel* m) {
       m->at(std::string(kQ) + ".absmax").data.resize(1023);
       m->at(std::string(kQ) + ".absmax").shape = {1023};
     },
     std::string(kQ) + ".absmax", "expected U8 [1024], found U8 [1023]"},
    {"AbsmaxIsNotNested", kNf4,
     [](SpoiltModel* m) {
       m->at(std::string(kQ) + ".absmax") = {DType::kF32, {1024}, std::string(4096, '\0')};
     },
     std::string(kQ) + ".absmax", "expected U8 [1024], found F32 [1024]"},
    {"NoNestedAbsmax", kNf4,
     [](SpoiltModel* m) { m->tensors.erase(std::string(kQ) + ".nested_absmax"); }, kQ,
     "nested_absmax"},
    {"NoNestedMap", kNf4,
     [](SpoiltModel* m) { m->tensors.erase(std::string(kQ) + ".nested_quant_map"); }, kQ,
     "nested_quant_map"},
    {"NoMap", kNf4, [](SpoiltModel* m) { m->tensors.erase(std::string(kQ) + ".quant_map"); }, kQ,
     "quant_map"},
    {"UnknownPart", kNf4,
     [](SpoiltModel* m) { m->tensors[std::string(kQ) + ".zeros"] = m->at(kState); },
     std::string(kQ) + ".zeros", "no part of a 4-bit weight"},
    {"NestedButTheStateIsNot", "nf4-fp32",
     [](SpoiltModel* m) {
       m->tensors[std::string(kQ) + ".nested_absmax"] = {DType::kF32, {4}, std::string(16, '\0')};
     },
     std::string(kQ) + ".nested_absmax", "its quant_state has no nested statistics"},
};

INSTANTIATE_TEST_SUITE_P(Checkpoints, BadModels, ::testing::ValuesIn(kBadModels),
                         [](const auto& info) { return info.param.name; });

TEST(QuantisedTensorTest, NumbersThatAreNotFiniteAreFoundWhenTheyAreRead) {
  const std::pair<const char*, std::string> cases[] = {
      {"int8", kScb},
      {"nf4-fp32", std::string(kQ) + ".absmax"},
      {"nf4-dq-bf16", std::string(kQ) + ".nested_absmax"},
      {"nf4-dq-bf16", std::string(kQ) + ".nested_quant_map"}};
  for (const auto& [name, part] : cases) {
    for (const float value : {NAN, INFINITY, -INFINITY}) {
      SpoiltModel model(name);
      Tensor& tensor = model.at(part);
      std::vector<float> values(tensor.data.size() / 4, value);
      std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
      GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, model.Open());
      EXPECT_THAT(checkpoint->ReadPacked(kQ),
                  StatusIs(kInvalid, AllOf(HasSubstr(model.path()), HasSubstr(kQ),
                                           HasSubstr("expected a finite number"))))
          << part;
      std::vector<float> out(256 * 256);
      EXPECT_THAT(checkpoint->ReadTensor(kQ, 0, out.size(), out.data()),
                  StatusIs(kInvalid, HasSubstr("expected a finite number")))
          << part;
    }
  }
}

TEST(QuantisedTensorTest, AFileThatShrinksIsDataLoss) {
  SpoiltModel model("nf4-fp32");
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto checkpoint, model.Open());
  std::filesystem::resize_file(model.path(), 600000 / 2);
  EXPECT_THAT(
      checkpoint->ReadPacked(kQ),
      StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr(kQ), HasSubstr("model.safetensors"))));
  SpoiltModel cut("nf4-fp32");
  GANTRY_ASSERT_OK(cut.Open());
  std::filesystem::resize_file(cut.path(), std::filesystem::file_size(cut.path()) - 1);
  EXPECT_THAT(Checkpoint::Open(std::filesystem::path(cut.path()).parent_path()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("truncated")));
}

}  // namespace
}  // namespace gantry
