#include "plan/quantization.h"

#include "plan/known_models/known_models.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

ModelTree Tree(const std::string& name) {
  const absl::StatusOr<const KnownModel*> model = FindKnownModel(name);
  EXPECT_THAT(model, IsOk());
  absl::StatusOr<ModelTree> tree = BuildModelTree((*model)->config, name);
  EXPECT_THAT(tree, IsOk());
  return *std::move(tree);
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
