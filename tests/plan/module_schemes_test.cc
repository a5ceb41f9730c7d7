#include "plan/module_schemes.h"

#include "base/json.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ModuleSchemesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    json_ = Json::parse(R"({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128,
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 12,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5, "hidden_act": "silu"})");
    format_.weights.dtype = DType::kBF16;
    QuantizationOptions& options = format_.weights.quantization;
    options.load_in_4bit = true;
    options.bnb_4bit_quant_type = Scheme::kNf4;
    options.bnb_4bit_use_double_quant = true;
  }

  absl::StatusOr<ModelSchemes> Make() {
    absl::StatusOr<ModelConfig> config = ParseModelConfig(json_, "config.json");
    absl::StatusOr<ModelTree> tree = BuildModelTree(json_, "config.json");
    EXPECT_THAT(config, IsOk());
    EXPECT_THAT(tree, IsOk());
    modules_ = ListModules(*config);
    return MakeModelSchemes(*tree, modules_, format_);
  }

  void Skip(std::vector<std::string> names) {
    format_.weights.quantization.has_skip_modules = true;
    format_.weights.quantization.llm_int8_skip_modules = std::move(names);
  }

  Json json_;
  ServingFormat format_;
  std::vector<ModuleSpec> modules_;
};

TEST_F(ModuleSchemesTest, LayersAreQuantisedAndTheRestIsNot) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes, Make());
  const std::vector<ModuleSchemes>& gpu = schemes.On(MemoryKind::kGpu);
  ASSERT_THAT(gpu, SizeIs(15));
  EXPECT_EQ(gpu[0].rest, Scheme::kBf16);
  EXPECT_THAT(gpu[0].weights, IsEmpty());
  ASSERT_THAT(gpu[3].weights, SizeIs(7));
  EXPECT_EQ(gpu[3].weights[0].first, "model.layers.2.self_attn.q_proj.weight");
  const TensorScheme nf4 = {Scheme::kNf4, true, 64};
  for (const auto& weight : gpu[3].weights) EXPECT_EQ(weight.second, nf4) << weight.first;
  EXPECT_EQ(gpu[3].Main(modules_[3]), Scheme::kNf4);
  EXPECT_EQ(gpu[14].Of("lm_head.weight").scheme, Scheme::kBf16);
  for (const ModuleSchemes& cpu : schemes.On(MemoryKind::kCpu)) {
    EXPECT_EQ(cpu.rest, Scheme::kFp32);
    EXPECT_THAT(cpu.weights, IsEmpty());
  }
}

TEST_F(ModuleSchemesTest, CpusHoldWhatIsAskedOfThem) {
  struct Case {
    OffloadDType offload;
    Scheme layers;
    Scheme ends;
  };
  for (const Case& c : {Case{OffloadDType::kFloat32, Scheme::kFp32, Scheme::kFp32},
                        Case{OffloadDType::kBFloat16, Scheme::kBf16, Scheme::kFp32},
                        Case{OffloadDType::kInt8, Scheme::kInt8, Scheme::kFp32},
                        Case{OffloadDType::kNf4, Scheme::kNf4, Scheme::kFp32},
                        Case{OffloadDType::kAuto, Scheme::kNf4, Scheme::kFp32}}) {
    format_.offload_dtype = c.offload;
    GANTRY_ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes, Make());
    const std::vector<ModuleSchemes>& cpu = schemes.On(MemoryKind::kCpu);
    EXPECT_EQ(cpu[5].Main(modules_[5]), c.layers) << OffloadDTypeName(c.offload);
    EXPECT_EQ(cpu[0].Main(modules_[0]), c.ends);
    EXPECT_EQ(cpu[14].Main(modules_[14]), c.ends);
    EXPECT_EQ(schemes.On(MemoryKind::kGpu)[5].Main(modules_[5]), Scheme::kNf4);
  }
}

TEST_F(ModuleSchemesTest, SkippedModulesEndAtDots) {
  Skip({"model.layers.1.mlp", "o_proj"});
  GANTRY_ASSERT_OK_AND_ASSIGN(const ModelSchemes schemes, Make());
  const std::vector<ModuleSchemes>& gpu = schemes.On(MemoryKind::kGpu);
  EXPECT_EQ(gpu[2].Of("model.layers.1.mlp.down_proj.weight").scheme, Scheme::kBf16);
  EXPECT_EQ(gpu[11].Of("model.layers.10.mlp.down_proj.weight").scheme, Scheme::kNf4);
  EXPECT_EQ(gpu[11].Of("model.layers.10.self_attn.o_proj.weight").scheme, Scheme::kBf16);
  EXPECT_EQ(gpu[14].Of("lm_head.weight").scheme, Scheme::kNf4) << "the list replaces the default";
}

TEST_F(ModuleSchemesTest, PartsOfAProductAreOfOneScheme) {
  Skip({"lm_head", "k_proj"});
  EXPECT_THAT(Make(), StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("llm_int8_skip_modules"), HasSubstr("q_proj"),
                                     HasSubstr("k_proj"), HasSubstr("all of its parts or none"))));
  Skip({"lm_head", "q_proj", "k_proj", "v_proj"});
  GANTRY_EXPECT_OK(Make());
}

TEST_F(ModuleSchemesTest, TheTiedHeadIsItsOwnModule) {
  json_["tie_word_embeddings"] = true;
  GANTRY_ASSERT_OK_AND_ASSIGN(const ModelSchemes tied, Make());
  EXPECT_EQ(tied.On(MemoryKind::kGpu)[14].Main(modules_[14]), Scheme::kBf16);
  Skip({"o_proj"});
  GANTRY_ASSERT_OK_AND_ASSIGN(const ModelSchemes apart, Make());
  EXPECT_EQ(apart.On(MemoryKind::kGpu)[0].Main(modules_[0]), Scheme::kBf16);
  EXPECT_EQ(apart.On(MemoryKind::kGpu)[14].Of("model.embed_tokens.weight").scheme, Scheme::kNf4);
}

}  // namespace
}  // namespace gantry
