#include "model/config.h"

#include <cmath>
#include <limits>

#include "model/architecture.h"
#include "model/checkpoint.h"
#include "tests/model/sample_config.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kModels[] = GANTRY_TESTDATA "/models/";

TEST(ConfigTest, ReadsSizesOfTheReferenceModels) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const ModelConfig config,
                              ReadModelConfig(std::string(kModels) + "llama-tied"));
  EXPECT_EQ(config.architecture_name, "LlamaForCausalLM");
  EXPECT_EQ(config.model_type, "llama");
  EXPECT_EQ(config.vocab_size, 384);
  EXPECT_EQ(config.hidden_size, 128);
  EXPECT_EQ(config.intermediate_size, 192);
  EXPECT_EQ(config.num_layers, 4);
  EXPECT_EQ(config.num_heads, 4);
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_EQ(config.head_dim, 32);
  EXPECT_EQ(config.max_position_embeddings, 256);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.activation, Activation::kSilu);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_EQ(config.dtype, DType::kF32);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(2));
  EXPECT_EQ(config.bos_token_id, 1);
  EXPECT_THAT(config.sliding_window, ElementsAre(0, 0, 0, 0));
}

TEST(ConfigTest, ReadsWhatTellsTheFamiliesApart) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const ModelConfig mistral,
                              ReadModelConfig(std::string(kModels) + "mistral-window"));
  EXPECT_THAT(mistral.sliding_window, ElementsAre(32, 32, 32, 32));
  GANTRY_ASSERT_OK_AND_ASSIGN(const ModelConfig phi3,
                              ReadModelConfig(std::string(kModels) + "phi3"));
  EXPECT_THAT(phi3.sliding_window, ElementsAre(64, 64, 64, 64));
  EXPECT_EQ(phi3.head_dim, 32);
  EXPECT_EQ(phi3.dtype, DType::kBF16);
  EXPECT_FALSE(phi3.qkv_bias);
  GANTRY_ASSERT_OK_AND_ASSIGN(const ModelConfig qwen2,
                              ReadModelConfig(std::string(kModels) + "qwen2-bias"));
  EXPECT_THAT(qwen2.sliding_window, ElementsAre(0, 0, 0, 0));
  EXPECT_TRUE(qwen2.qkv_bias);
  EXPECT_FALSE(qwen2.o_bias);
  EXPECT_FALSE(qwen2.mlp_bias);
}

TEST(ConfigTest, OldFieldNames) {
  Json json = SampleConfig();
  json["torch_dtype"] = "torch.float16";
  json["rope_theta"] = 5e5;
  const ModelConfig config = MustParse(json);
  EXPECT_EQ(config.dtype, DType::kF16);
  EXPECT_EQ(config.rope.theta, 5e5);
}

TEST(ConfigTest, NullMeansAbsent) {
  Json json = SampleConfig();
  for (const char* key : {"head_dim", "num_key_value_heads", "rope_scaling", "rope_theta",
                          "rms_norm_eps", "hidden_act", "tie_word_embeddings", "eos_token_id",
                          "bos_token_id", "dtype", "torch_dtype", "attention_bias", "layer_types",
                          "quantization_config", "partial_rotary_factor", "model_type"}) {
    json[key] = nullptr;
  }
  const ModelConfig config = MustParse(json);
  EXPECT_EQ(config.num_kv_heads, 4);
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.rope.theta, 10000);
  EXPECT_TRUE(config.eos_token_ids.empty());
  EXPECT_FALSE(config.bos_token_id.has_value());
  EXPECT_FALSE(config.dtype.has_value());
}

TEST(ConfigTest, HeadDimIsApartFromHiddenSize) {
  Json json = SampleConfig();
  json["head_dim"] = 128;
  json["hidden_size"] = 30;  // no multiple of the four heads
  EXPECT_EQ(MustParse(json).head_dim, 128);
}

TEST(ConfigTest, EosIsOneIdOrAList) {
  Json json = SampleConfig();
  json["eos_token_id"] = {128001, 128009};
  EXPECT_THAT(MustParse(json).eos_token_ids, ElementsAre(128001, 128009));
}

TEST(ConfigTest, UnknownFieldsAreIgnored) {
  Json json = SampleConfig();
  json["pretraining_tp"] = 4;
  json["use_cache"] = false;
  json["auto_map"] = Json{{"AutoConfig", "x.Y"}};
  GANTRY_EXPECT_OK(ParseModelConfig(json, "c"));
}

TEST(ConfigTest, ModelTypeStandsInForArchitectures) {
  Json json = SampleConfig();
  json.erase("architectures");
  json["model_type"] = "qwen2";
  EXPECT_EQ(MustParse(json).architecture_name, "Qwen2ForCausalLM");
}

TEST(ConfigTest, OnlyLlamaObeysTheBiasFlags) {
  Json json = SampleConfig();
  json["attention_bias"] = true;
  json["mlp_bias"] = true;
  const ModelConfig llama = MustParse(json);
  EXPECT_TRUE(llama.qkv_bias);
  EXPECT_TRUE(llama.o_bias);
  EXPECT_TRUE(llama.mlp_bias);
  json["architectures"] = {"MistralForCausalLM"};
  const ModelConfig mistral = MustParse(json);
  EXPECT_FALSE(mistral.qkv_bias);
  EXPECT_FALSE(mistral.mlp_bias);
}

TEST(ConfigTest, MistralWindow) {
  Json json = SampleConfig("MistralForCausalLM");
  EXPECT_THAT(MustParse(json).sliding_window, ElementsAre(4096, 4096, 4096));
  json["sliding_window"] = nullptr;
  EXPECT_THAT(MustParse(json).sliding_window, ElementsAre(0, 0, 0));
  json["sliding_window"] = 7;
  EXPECT_THAT(MustParse(json).sliding_window, ElementsAre(7, 7, 7));
  json["architectures"] = {"LlamaForCausalLM"};
  EXPECT_THAT(MustParse(json).sliding_window, ElementsAre(0, 0, 0));
  json["architectures"] = {"Phi3ForCausalLM"};
  EXPECT_THAT(MustParse(json).sliding_window, ElementsAre(7, 7, 7));
  json.erase("sliding_window");
  EXPECT_THAT(MustParse(json).sliding_window, ElementsAre(0, 0, 0));
}

TEST(ConfigTest, Qwen2Window) {
  Json json = SampleConfig("Qwen2ForCausalLM");
  json["sliding_window"] = 16;
  json["max_window_layers"] = 2;
  EXPECT_THAT(MustParse(json).sliding_window, ElementsAre(0, 0, 0));
  json["use_sliding_window"] = true;
  EXPECT_THAT(MustParse(json).sliding_window, ElementsAre(0, 0, 16));
  json["max_window_layers"] = 28;
  EXPECT_THAT(MustParse(json).sliding_window, ElementsAre(0, 0, 0));
  json["layer_types"] = {"sliding_attention", "full_attention", "sliding_attention"};
  EXPECT_THAT(MustParse(json).sliding_window, ElementsAre(16, 0, 16));
  json.erase("sliding_window");
  EXPECT_THAT(MustParse(json).sliding_window, ElementsAre(4096, 0, 4096));
  json["use_sliding_window"] = false;
  EXPECT_THAT(ParseModelConfig(json, "c"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("layer_types")));
}

struct BadValue {
  const char* field;
  Json value;
};

// One bad value at a time; the error names the file and the field.
TEST(ConfigTest, InvalidValues) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Json billion = 1000000000;
  const Json enormous = 18446744073709551615u;
  const BadValue cases[] = {
      {"vocab_size", 0},
      {"vocab_size", -1},
      {"vocab_size", int64_t{1} << 40},
      {"vocab_size", enormous},
      {"vocab_size", 1e300},
      {"vocab_size", 64.5},
      {"vocab_size", nan},
      {"vocab_size", "64"},
      {"vocab_size", nullptr},
      {"hidden_size", 0},
      {"hidden_size", -32},
      {"hidden_size", 31},
      {"hidden_size", (1 << 20) + 4},
      {"hidden_size", {32}},
      {"intermediate_size", 0},
      {"intermediate_size", (1 << 22) + 1},
      {"intermediate_size", nullptr},
      {"num_hidden_layers", 0},
      {"num_hidden_layers", -3},
      {"num_hidden_layers", 4097},
      {"num_hidden_layers", billion},
      {"num_attention_heads", 0},
      {"num_attention_heads", -4},
      {"num_attention_heads", (1 << 14) + 1},
      {"num_key_value_heads", 0},
      {"num_key_value_heads", 3},
      {"num_key_value_heads", 8},
      {"num_key_value_heads", -2},
      {"head_dim", 0},
      {"head_dim", 7},
      {"head_dim", -8},
      {"head_dim", 4098},
      {"head_dim", true},
      {"max_position_embeddings", 0},
      {"max_position_embeddings", 2000000000},
      {"max_position_embeddings", nullptr},
      {"rms_norm_eps", 0},
      {"rms_norm_eps", -1e-5},
      {"rms_norm_eps", nan},
      {"rms_norm_eps", "1e-5"},
      {"rope_theta", 0},
      {"rope_theta", -10000},
      {"rope_theta", nan},
      {"rope_theta", 1e300},
      {"rope_theta", "10000"},
      {"partial_rotary_factor", 2},
      {"partial_rotary_factor", nan},
      {"original_max_position_embeddings", 0},
      {"tie_word_embeddings", 1},
      {"attention_bias", "yes"},
      {"mlp_bias", 0},
      {"hidden_act", 3},
      {"dtype", 16},
      {"torch_dtype", {"float32"}},
      {"eos_token_id", -1},
      {"eos_token_id", "</s>"},
      {"eos_token_id", 2147483648},
      {"eos_token_id", {1, nullptr}},
      {"eos_token_id", 1.5},
      {"bos_token_id", -1},
      {"architectures", "LlamaForCausalLM"},
      {"architectures", {1}},
      {"architectures", nullptr},
      {"model_type", "mixtral"},
      {"model_type", 5},
      {"rope_scaling", "linear"},
      {"rope_parameters", {1, 2}},
  };
  for (const BadValue& bad : cases) {
    Json json = SampleConfig();
    json[bad.field] = bad.value;
    EXPECT_THAT(ParseModelConfig(json, "dir/config.json"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(StartsWith("dir/config.json: "), HasSubstr(bad.field))))
        << bad.field << " = " << bad.value;
  }
}

TEST(ConfigTest, InvalidWindows) {
  const BadValue cases[] = {
      {"sliding_window", 0},
      {"sliding_window", -1},
      {"sliding_window", "all"},
      {"use_sliding_window", 1},
      {"max_window_layers", -1},
      {"layer_types", "full_attention"},
      {"layer_types", {"full_attention"}},
  };
  for (const BadValue& bad : cases) {
    Json json = SampleConfig("Qwen2ForCausalLM");
    json["use_sliding_window"] = true;
    json[bad.field] = bad.value;
    EXPECT_THAT(ParseModelConfig(json, "c"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.field)))
        << bad.field << " = " << bad.value;
  }
}

// What would change the arithmetic is refused by name and not ignored.
TEST(ConfigTest, UnsupportedValues) {
  const BadValue cases[] = {
      {"architectures", {"T5ForConditionalGeneration"}},
      {"hidden_act", "relu"},
      {"dtype", "float8_e4m3fn"},
      {"torch_dtype", "int8"},
      {"quantization_config", Json{{"quant_method", "gptq"}}},
      {"partial_rotary_factor", 0.5},
  };
  for (const BadValue& bad : cases) {
    Json json = SampleConfig();
    json[bad.field] = bad.value;
    EXPECT_THAT(ParseModelConfig(json, "c"),
                StatusIs(absl::StatusCode::kUnimplemented, HasSubstr(bad.field)))
        << bad.field;
  }
  Json json = SampleConfig("Qwen2ForCausalLM");
  json["layer_types"] = {"full_attention", "chunked_attention", "full_attention"};
  EXPECT_THAT(ParseModelConfig(json, "c"),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("chunked_attention")));
}

TEST(ConfigTest, UnknownArchitectureListsTheSupported) {
  EXPECT_THAT(ParseModelConfig(SampleConfig("GPT2LMHeadModel"), "c"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("GPT2LMHeadModel"), HasSubstr(SupportedArchitectures()))));
}

TEST(ConfigTest, NotAnObject) {
  for (const Json& json : {Json(nullptr), Json(3), Json::array(), Json("x")}) {
    EXPECT_FALSE(ParseModelConfig(json, "c").ok());
  }
}

TEST(ConfigTest, LongValuesAreCutInErrors) {
  Json json = SampleConfig(std::string(100000, 'x'));
  EXPECT_LT(ParseModelConfig(json, "c").status().message().size(), 400);
}

TEST(ConfigTest, LargestSizesDoNotOverflow) {
  Json json = SampleConfig();
  json["vocab_size"] = 1 << 24;
  json["hidden_size"] = 1 << 20;
  json["intermediate_size"] = 1 << 22;
  json["num_hidden_layers"] = 4096;
  json["num_attention_heads"] = 1 << 14;
  json["num_key_value_heads"] = 1 << 14;
  json["head_dim"] = 4096;
  const ModelConfig config = MustParse(json);
  const double layer = 4.0 * config.num_heads * config.head_dim * config.hidden_size +
                       3.0 * config.hidden_size * config.intermediate_size;
  EXPECT_LT(4 * layer * config.num_layers, 9.2e18);  // bytes in fp32
}

}  // namespace
}  // namespace gantry
