#include "plan/quantization.h"

#include "plan/known_models/known_models.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

absl::StatusOr<QuantizationOptions> Parse(absl::string_view text) {
  const absl::StatusOr<Json> json = ParseJson(text, "text");
  EXPECT_THAT(json, IsOk());
  return ParseQuantizationOptions(*json, "bnb.json");
}

ModelTree Tree(const std::string& name) {
  const absl::StatusOr<const KnownModel*> model = FindKnownModel(name);
  EXPECT_THAT(model, IsOk());
  absl::StatusOr<ModelTree> tree = BuildModelTree((*model)->config, name);
  EXPECT_THAT(tree, IsOk());
  return *std::move(tree);
}

TEST(QuantizationOptionsTest, DefaultsAreThoseOfBitsAndBytesConfig) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const QuantizationOptions options, Parse(R"({"load_in_4bit":true})"));
  EXPECT_TRUE(options.load_in_4bit);
  EXPECT_FALSE(options.load_in_8bit);
  EXPECT_EQ(options.bnb_4bit_quant_type, Scheme::kFp4);
  EXPECT_FALSE(options.bnb_4bit_use_double_quant);
  EXPECT_EQ(options.bnb_4bit_compute_dtype, DType::kF32);
  EXPECT_EQ(options.bnb_4bit_quant_storage, DType::kU8);
  EXPECT_EQ(options.llm_int8_threshold, 6.0);
  EXPECT_FALSE(options.has_skip_modules);
}

TEST(QuantizationOptionsTest, EveryField) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const QuantizationOptions options,
      Parse(R"({"quant_method":"bitsandbytes","_load_in_4bit":true,"load_in_8bit":false,
                "_load_in_8bit":false,"llm_int8_threshold":4.5,"llm_int8_skip_modules":["a","b.c"],
                "llm_int8_enable_fp32_cpu_offload":true,"llm_int8_has_fp16_weight":true,
                "bnb_4bit_compute_dtype":"torch.bfloat16","bnb_4bit_quant_type":"nf4",
                "bnb_4bit_use_double_quant":true,"bnb_4bit_quant_storage":"bfloat16"})"));
  EXPECT_TRUE(options.load_in_4bit);
  EXPECT_EQ(options.llm_int8_threshold, 4.5);
  EXPECT_THAT(options.llm_int8_skip_modules, ElementsAre("a", "b.c"));
  EXPECT_TRUE(options.has_skip_modules);
  EXPECT_TRUE(options.llm_int8_enable_fp32_cpu_offload);
  EXPECT_TRUE(options.llm_int8_has_fp16_weight);
  EXPECT_EQ(options.bnb_4bit_compute_dtype, DType::kBF16);
  EXPECT_EQ(options.bnb_4bit_quant_type, Scheme::kNf4);
  EXPECT_TRUE(options.bnb_4bit_use_double_quant);
  EXPECT_EQ(options.bnb_4bit_quant_storage, DType::kBF16);
}

TEST(QuantizationOptionsTest, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"load_in_4bit":true,"load_in_8bit":true})", "only one can be used"},
      {R"({"load_in_4bit":1})", "load_in_4bit"},
      {R"({"load_in_4bit":true,"_load_in_4bit":false})", "_load_in_4bit"},
      {R"({"llm_int8_threshold":6})", "llm_int8_threshold"},
      {R"({"llm_int8_threshold":-1.0})", "llm_int8_threshold"},
      {R"({"llm_int8_skip_modules":"lm_head"})", "llm_int8_skip_modules"},
      {R"({"llm_int8_skip_modules":[""]})", "llm_int8_skip_modules"},
      {R"({"bnb_4bit_quant_type":"NF4"})", "bnb_4bit_quant_type"},
      {R"({"bnb_4bit_compute_dtype":"int8"})", "bnb_4bit_compute_dtype"},
      {R"({"bnb_4bit_quant_storage":"int64"})", "bnb_4bit_quant_storage"},
      {R"({"bnb_4bit_blocksize":64})", "bnb_4bit_blocksize"},
      {R"([])", "a JSON object"},
  };
  for (const auto& [text, culprit] : cases) {
    EXPECT_THAT(Parse(text), StatusIs(absl::StatusCode::kInvalidArgument,
                                      AllOf(HasSubstr("bnb.json: "), HasSubstr(culprit))))
        << text;
  }
  EXPECT_THAT(Parse(R"({"quant_method":"gptq","bits":4})"),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("\"gptq\"")));
}

TEST(ModulesToNotConvertTest, TheHeadUnlessSomethingIsTied) {
  QuantizationOptions options;
  options.load_in_8bit = true;
  EXPECT_THAT(ModulesToNotConvert(Tree("meta-llama/Llama-2-7b-hf"), options),
              ElementsAre("lm_head"));
  // Tied: all that share, and the module of the last parameter.
  EXPECT_THAT(ModulesToNotConvert(Tree("Qwen/Qwen2-0.5B"), options),
              ElementsAre("model.embed_tokens", "lm_head", "model.norm"));
  EXPECT_THAT(ModulesToNotConvert(WithoutHead(Tree("meta-llama/Llama-2-7b-hf")), options),
              ElementsAre("norm"));
  EXPECT_THAT(ModulesToNotConvert(Tree("google/flan-t5-xl"), options),
              UnorderedElementsAre("shared", "encoder.embed_tokens", "decoder.embed_tokens",
                                   "lm_head", "wo"));
  options.has_skip_modules = true;
  EXPECT_THAT(ModulesToNotConvert(Tree("meta-llama/Llama-2-7b-hf"), options), ElementsAre());
}

TEST(MatchesModuleTest, AtDots) {
  EXPECT_TRUE(MatchesModule("lm_head", "lm_head"));
  EXPECT_TRUE(MatchesModule("o_proj", "model.layers.1.self_attn.o_proj"));
  EXPECT_TRUE(MatchesModule("self_attn.o_proj", "model.layers.1.self_attn.o_proj"));
  EXPECT_TRUE(MatchesModule("model.layers.1", "model.layers.1.self_attn.o_proj"));
  EXPECT_FALSE(MatchesModule("model.layers.1", "model.layers.10.self_attn.o_proj"));
  EXPECT_FALSE(MatchesModule("proj", "model.layers.1.self_attn.o_proj"));
  EXPECT_FALSE(MatchesModule("wo", "decoder.two"));
  EXPECT_FALSE(MatchesModule("", "lm_head"));
  EXPECT_FALSE(MatchesModule("model.lm_head", "lm_head"));
}

TEST(SchemeRulesTest, OnlyLinearWeightsAreQuantised) {
  const ModelTree tree = Tree("Qwen/Qwen2-7B");
  WeightFormat format;
  format.dtype = DType::kBF16;
  format.quantization.load_in_4bit = true;
  format.quantization.has_skip_modules = true;
  format.quantization.llm_int8_skip_modules = {"model.layers.1", "down_proj"};
  const SchemeRules rules(tree, format);
  ForEachTensor(*tree.root, "",
                [&](const std::string& module_name, const TreeModule& module,
                    const std::string& name, const TreeTensor& tensor) {
                  const Scheme scheme = rules.Of(module_name, module, tensor).scheme;
                  const bool quantised = module.class_name == "Linear" && tensor.name == "weight" &&
                                         name.compare(0, 15, "model.layers.1.") != 0 &&
                                         name.find("down_proj") == std::string::npos;
                  const Scheme rest = tensor.is_buffer ? Scheme::kFp32 : Scheme::kBf16;
                  EXPECT_EQ(scheme, quantised ? Scheme::kFp4 : rest) << name;
                });
}

}  // namespace
}  // namespace gantry
