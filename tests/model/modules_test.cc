#include "model/modules.h"

#include "model/architecture.h"
#include "tests/model/sample_config.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

// "NAME [rows, cols]" of every tensor.
std::vector<std::string> Describe(const std::vector<TensorSpec>& tensors) {
  std::vector<std::string> lines;
  for (const TensorSpec& tensor : tensors) {
    std::string line = tensor.name;
    for (const int64_t dim : tensor.shape) line += " " + std::to_string(dim);
    lines.push_back(line);
  }
  return lines;
}

TEST(ModulesTest, RunInOrder) {
  const std::vector<ModuleSpec> modules = ListModules(MustParse(SampleConfig()));
  std::vector<std::string> names;
  for (const ModuleSpec& module : modules) names.push_back(module.name);
  EXPECT_THAT(names, ElementsAre("model.embed_tokens", "model.layers.0", "model.layers.1",
                                 "model.layers.2", "model.norm", "lm_head"));
  EXPECT_EQ(modules[0].kind, ModuleKind::kEmbedding);
  EXPECT_EQ(modules[2].kind, ModuleKind::kLayer);
  EXPECT_EQ(modules[2].layer, 1);
  EXPECT_EQ(modules[4].kind, ModuleKind::kNorm);
  EXPECT_EQ(modules[5].kind, ModuleKind::kLmHead);
  EXPECT_EQ(modules[5].layer, -1);
}

TEST(ModulesTest, LlamaLayer) {
  const ModuleSpec layer = ListModules(MustParse(SampleConfig()))[2];
  EXPECT_THAT(Describe(ModuleTensors(layer)),
              ElementsAre("model.layers.1.input_layernorm.weight 32",
                          "model.layers.1.post_attention_layernorm.weight 32",
                          "model.layers.1.self_attn.q_proj.weight 32 32",
                          "model.layers.1.self_attn.k_proj.weight 16 32",
                          "model.layers.1.self_attn.v_proj.weight 16 32",
                          "model.layers.1.self_attn.o_proj.weight 32 32",
                          "model.layers.1.mlp.gate_proj.weight 48 32",
                          "model.layers.1.mlp.up_proj.weight 48 32",
                          "model.layers.1.mlp.down_proj.weight 32 48"));
  EXPECT_EQ(layer.qkv.rows, 64);
  EXPECT_EQ(layer.qkv.cols, 32);
  EXPECT_EQ(layer.gate_up.rows, 96);
  EXPECT_EQ(layer.down.cols, 48);
}

TEST(ModulesTest, MistralLayerIsLlamas) {
  EXPECT_EQ(Describe(ModuleTensors(ListModules(MustParse(SampleConfig("MistralForCausalLM")))[1])),
            Describe(ModuleTensors(ListModules(MustParse(SampleConfig()))[1])));
}

TEST(ModulesTest, Phi3LayerIsFused) {
  const ModuleSpec layer = ListModules(MustParse(SampleConfig("Phi3ForCausalLM")))[1];
  EXPECT_THAT(Describe(ModuleTensors(layer)),
              ElementsAre("model.layers.0.input_layernorm.weight 32",
                          "model.layers.0.post_attention_layernorm.weight 32",
                          "model.layers.0.self_attn.qkv_proj.weight 64 32",
                          "model.layers.0.self_attn.o_proj.weight 32 32",
                          "model.layers.0.mlp.gate_up_proj.weight 96 32",
                          "model.layers.0.mlp.down_proj.weight 32 48"));
}

TEST(ModulesTest, Qwen2LayerHasBiases) {
  const ModuleSpec layer = ListModules(MustParse(SampleConfig("Qwen2ForCausalLM")))[1];
  EXPECT_THAT(Describe(layer.qkv.biases), ElementsAre("model.layers.0.self_attn.q_proj.bias 32",
                                                      "model.layers.0.self_attn.k_proj.bias 16",
                                                      "model.layers.0.self_attn.v_proj.bias 16"));
  EXPECT_TRUE(layer.o.biases.empty());
  EXPECT_TRUE(layer.gate_up.biases.empty());
  EXPECT_EQ(ModuleTensors(layer).size(), 12);
}

TEST(ModulesTest, LlamaWithEveryBias) {
  Json json = SampleConfig();
  json["attention_bias"] = true;
  json["mlp_bias"] = true;
  const ModuleSpec layer = ListModules(MustParse(json))[1];
  EXPECT_EQ(layer.qkv.biases.size(), 3);
  EXPECT_THAT(Describe(layer.o.biases), ElementsAre("model.layers.0.self_attn.o_proj.bias 32"));
  EXPECT_THAT(Describe(layer.gate_up.biases), ElementsAre("model.layers.0.mlp.gate_proj.bias 48",
                                                          "model.layers.0.mlp.up_proj.bias 48"));
  EXPECT_THAT(Describe(layer.down.biases), ElementsAre("model.layers.0.mlp.down_proj.bias 32"));
}

TEST(ModulesTest, HeadDimApartFromHiddenSize) {
  Json json = SampleConfig();
  json["head_dim"] = 16;
  const ModuleSpec layer = ListModules(MustParse(json))[1];
  EXPECT_EQ(layer.qkv.rows, 4 * 16 + 2 * 2 * 16);
  EXPECT_EQ(layer.o.rows, 32);
  EXPECT_EQ(layer.o.cols, 64);
}

TEST(ModulesTest, TiedHeadUsesTheEmbedding) {
  Json json = SampleConfig();
  EXPECT_THAT(Describe(ModuleTensors(ListModules(MustParse(json)).back())),
              ElementsAre("lm_head.weight 64 32"));
  json["tie_word_embeddings"] = true;
  EXPECT_THAT(Describe(ModuleTensors(ListModules(MustParse(json)).back())),
              ElementsAre("model.embed_tokens.weight 64 32"));
  EXPECT_THAT(Describe(ModuleTensors(ListModules(MustParse(json)).front())),
              ElementsAre("model.embed_tokens.weight 64 32"));
}

TEST(ArchitectureTest, RowsAreFoundByBothNames) {
  for (const char* name :
       {"LlamaForCausalLM", "MistralForCausalLM", "Phi3ForCausalLM", "Qwen2ForCausalLM"}) {
    const Architecture* row = FindArchitecture(name);
    ASSERT_NE(row, nullptr) << name;
    EXPECT_EQ(FindArchitectureByModelType(row->model_type), row);
  }
  EXPECT_EQ(FindArchitecture("Llama"), nullptr);
  EXPECT_EQ(FindArchitectureByModelType(""), nullptr);
}

}  // namespace
}  // namespace gantry
