#include "plan/model_tree.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "plan/known_models/known_models.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

Json Config(const std::string& name) {
  const absl::StatusOr<const KnownModel*> model = FindKnownModel(name);
  EXPECT_THAT(model, IsOk());
  return (*model)->config;
}

ModelTree Tree(const Json& config) {
  absl::StatusOr<ModelTree> tree = BuildModelTree(config, "config.json");
  EXPECT_THAT(tree, IsOk());
  return *std::move(tree);
}

// "name [shape]" of every tensor, in order.
std::vector<std::string> Tensors(const TreeModule& module) {
  std::vector<std::string> names;
  ForEachTensor(module, "",
                [&](const std::string&, const TreeModule&, const std::string& name,
                    const TreeTensor& tensor) {
                  names.push_back(name);
                  for (int64_t size : tensor.shape) absl::StrAppend(&names.back(), " ", size);
                });
  return names;
}

std::vector<std::string> Children(const TreeModule& module) {
  std::vector<std::string> names;
  for (const TreeChild& child : module.children) names.push_back(child.name);
  return names;
}

TEST(ModelTreeTest, ModulesInTheOrderTheyAreRegistered) {
  const ModelTree llama = Tree(Config("Llama-3.1-8B"));
  EXPECT_THAT(Children(*llama.root), ElementsAre("model", "lm_head"));
  EXPECT_THAT(Children(*FindModule(llama, "model")),
              ElementsAre("embed_tokens", "layers", "norm", "rotary_emb"));
  EXPECT_THAT(Tensors(*FindModule(llama, "model.layers.31")),
              ElementsAre("self_attn.q_proj.weight 4096 4096", "self_attn.k_proj.weight 1024 4096",
                          "self_attn.v_proj.weight 1024 4096", "self_attn.o_proj.weight 4096 4096",
                          "mlp.gate_proj.weight 14336 4096", "mlp.up_proj.weight 14336 4096",
                          "mlp.down_proj.weight 4096 14336", "input_layernorm.weight 4096",
                          "post_attention_layernorm.weight 4096"));
  EXPECT_EQ(FindModule(llama, "model.layers.32"), nullptr);
  EXPECT_EQ(FindModule(llama, "model.layers.0"), FindModule(llama, "model.layers.0"));
  EXPECT_THAT(
      Tensors(*FindModule(Tree(Config("Phi-3-mini-4k-instruct")), "model.layers.0")),
      ElementsAre("self_attn.o_proj.weight 3072 3072", "self_attn.qkv_proj.weight 9216 3072",
                  "mlp.gate_up_proj.weight 16384 3072", "mlp.down_proj.weight 3072 8192",
                  "input_layernorm.weight 3072", "post_attention_layernorm.weight 3072"));
}

TEST(ModelTreeTest, T5) {
  const ModelTree t5 = Tree(Config("flan-t5-base"));
  EXPECT_THAT(
      Tensors(*FindModule(t5, "encoder.block.0")),
      ElementsAre(
          "layer.0.SelfAttention.q.weight 768 768", "layer.0.SelfAttention.k.weight 768 768",
          "layer.0.SelfAttention.v.weight 768 768", "layer.0.SelfAttention.o.weight 768 768",
          "layer.0.SelfAttention.relative_attention_bias.weight 32 12",
          "layer.0.layer_norm.weight 768", "layer.1.DenseReluDense.wi_0.weight 2048 768",
          "layer.1.DenseReluDense.wi_1.weight 2048 768",
          "layer.1.DenseReluDense.wo.weight 768 2048", "layer.1.layer_norm.weight 768"));
  EXPECT_EQ(FindModule(t5, "encoder.block.1.layer.0.SelfAttention.relative_attention_bias"),
            nullptr);
  EXPECT_NE(FindModule(t5, "decoder.block.11.layer.1.EncDecAttention.q"), nullptr);
  EXPECT_THAT(t5.tied, ElementsAre(ElementsAre("shared.weight", "encoder.embed_tokens.weight",
                                               "decoder.embed_tokens.weight")));
  EXPECT_EQ(t5.units.front().name, "shared");
  EXPECT_EQ(t5.units[1].name, "encoder.block.0");
  EXPECT_EQ(t5.units[1].kind, UnitKind::kEncoderLayer);
  EXPECT_EQ(t5.units[1].kv_elements_per_token, 0);
  EXPECT_EQ(t5.units[13].name, "encoder.final_layer_norm");
  EXPECT_EQ(t5.units[14].name, "decoder.block.0");
  EXPECT_EQ(t5.units[14].cross_kv_elements_per_token, 2 * 768);
  EXPECT_EQ(t5.units.size(), 1 + 13 + 13 + 1);

  // The first T5: not gated, one matrix in and one out, the head tied.
  Json config = Config("flan-t5-base");
  config["feed_forward_proj"] = "relu";
  config["tie_word_embeddings"] = true;
  const ModelTree old = Tree(config);
  EXPECT_NE(FindModule(old, "encoder.block.0.layer.1.DenseReluDense.wi"), nullptr);
  EXPECT_EQ(FindModule(old, "encoder.block.0.layer.1.DenseReluDense.wi_0"), nullptr);
  EXPECT_EQ(old.tied[0].back(), "lm_head.weight");
}

TEST(ModelTreeTest, UnitsRunInOrder) {
  Json config = Config("opt-175b");
  config["num_hidden_layers"] = 1;
  config["word_embed_proj_dim"] = 512;
  std::vector<std::string> names;
  for (const PlanUnit& unit : Tree(config).units) names.push_back(unit.name);
  EXPECT_THAT(
      names, ElementsAre("model.decoder.embed_tokens", "model.decoder.embed_positions",
                         "model.decoder.project_in", "model.decoder.layers.0",
                         "model.decoder.final_layer_norm", "model.decoder.project_out", "lm_head"));
  const ModelTree llama = Tree(Config("Llama-2-7b-hf"));
  EXPECT_EQ(llama.units[0].name, "model.embed_tokens");
  EXPECT_EQ(llama.units[1].name, "model.rotary_emb");
  EXPECT_EQ(llama.units[2].name, "model.layers.0");
  EXPECT_EQ(llama.units.back().name, "lm_head");
  EXPECT_EQ(llama.units.back().tied_unit, -1);
}

TEST(ModelTreeTest, AMixtureUsesSomeOfItsExperts) {
  const ModelTree tree = Tree(Config("Mixtral-8x7B-v0.1"));
  uint64_t active = 0;
  for (const PlanUnit& unit : tree.units) active += unit.active_parameters;
  // Its paper: 13 thousand million of 47.
  EXPECT_NEAR(static_cast<double>(active), 12.75e9, 0.05e9);
  EXPECT_EQ(tree.num_experts, 8);
  EXPECT_NE(FindModule(tree, "model.layers.0.block_sparse_moe.experts.7.w3"), nullptr);
}

TEST(ModelTreeTest, Windows) {
  const auto windows = [](const Json& config) {
    std::vector<int64_t> all;
    for (const PlanUnit& unit : Tree(config).units) {
      if (unit.kind == UnitKind::kDecoderLayer && all.size() < 3) all.push_back(unit.window);
    }
    return all;
  };
  EXPECT_THAT(windows(Config("gemma-2-2b")), ElementsAre(4096, 0, 4096));
  EXPECT_THAT(windows(Config("Mistral-7B-v0.1")), ElementsAre(4096, 4096, 4096));
  EXPECT_THAT(windows(Config("Mistral-7B-Instruct-v0.2")), ElementsAre(0, 0, 0));
  Json qwen = Config("Qwen2-7B");
  qwen["sliding_window"] = 1024;
  EXPECT_THAT(windows(qwen), ElementsAre(0, 0, 0));
  qwen["use_sliding_window"] = true;
  qwen["max_window_layers"] = 1;
  EXPECT_THAT(windows(qwen), ElementsAre(0, 1024, 1024));
}

TEST(ModelTreeTest, WithoutItsHead) {
  const ModelTree base = WithoutHead(Tree(Config("Phi-3-mini-4k-instruct")));
  EXPECT_EQ(base.parameters, 3'821'079'552 - 32064 * 3072);
  EXPECT_EQ(base.units.back().name, "norm");
  EXPECT_NE(FindModule(base, "layers.31.self_attn.qkv_proj"), nullptr);
  EXPECT_THAT(WithoutHead(Tree(Config("Qwen2-0.5B"))).tied, IsEmpty());
  const ModelTree t5 = WithoutHead(Tree(Config("flan-t5-base")));
  EXPECT_EQ(t5.parameters, 247'577'856 - 32128 * 768);
  EXPECT_EQ(t5.tied[0].size(), 3);
}

TEST(ModelTreeTest, ServedFamilies) {
  std::set<std::string> served;
  for (const KnownModel& model : KnownModels()) {
    const ModelTree tree = Tree(model.config);
    if (tree.served) served.insert(tree.model_type);
  }
  EXPECT_THAT(served, ElementsAre("llama", "mistral", "phi3", "qwen2"));
}

TEST(ModelTreeTest, HostileConfigsAreRefusedByField) {
  const std::pair<const char*, Json> cases[] = {
      {"hidden_size", 0},
      {"hidden_size", -4096},
      {"hidden_size", 1.5},
      {"hidden_size", "4096"},
      {"hidden_size", 1 << 30},
      {"vocab_size", uint64_t{1} << 63},
      {"num_hidden_layers", 4097},
      {"num_hidden_layers", 0},
      {"num_attention_heads", 5000},
      {"num_key_value_heads", 3},
      {"intermediate_size", nullptr},
      {"head_dim", 1 << 24},
      {"tie_word_embeddings", 1},
      {"max_position_embeddings", -1},
  };
  for (const auto& [field, value] : cases) {
    Json config = Config("Llama-2-7b-hf");
    config[field] = value;
    const absl::StatusOr<ModelTree> tree = BuildModelTree(config, "folder/config.json");
    EXPECT_THAT(tree,
                StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("folder/config.json: ")))
        << field << " " << value;
    const bool heads = absl::string_view(field) == "head_dim";
    EXPECT_THAT(tree.status().message(), HasSubstr(heads ? "num_attention_heads" : field));
  }
}

TEST(ModelTreeTest, TheLargestConfigIsNoBurden) {
  Json config = Config("Mixtral-8x7B-v0.1");
  config["num_hidden_layers"] = kMaxTreeLayers;
  config["num_local_experts"] = 16;
  const ModelTree tree = Tree(config);
  EXPECT_EQ(tree.units.size(), kMaxTreeLayers + 4);
  config["num_local_experts"] = 17;
  EXPECT_THAT(BuildModelTree(config, "c"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("num_local_experts")));
  Json huge = Config("Llama-2-7b-hf");
  for (const char* field : {"hidden_size", "intermediate_size", "vocab_size"}) {
    huge[field] = kMaxTreeDimension;
  }
  huge["num_hidden_layers"] = kMaxTreeLayers;
  EXPECT_THAT(BuildModelTree(huge, "c"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2^50 parameters")));
}

TEST(ModelTreeTest, UnknownFamiliesAreAnsweredWithTheKnown) {
  EXPECT_THAT(BuildModelTree(Json{{"model_type", "gpt2"}}, "c"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("\"gpt2\""), HasSubstr("Llama, Mistral, Mixtral, Phi-3"))));
  EXPECT_THAT(BuildModelTree(Json::array(), "c"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("c: expected a JSON object")));
  EXPECT_THAT(BuildModelTree(Json{{"model_type", 7}}, "c"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("model_type")));
}

}  // namespace
}  // namespace gantry
