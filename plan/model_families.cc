#include "plan/model_families.h"

namespace gantry {
namespace {

constexpr absl::string_view kLlama = R"(
model LlamaModel
  embed_tokens Embedding vocab,hidden
  layers*layers ModuleList
    LlamaDecoderLayer
      self_attn LlamaAttention
        q_proj Linear q,hidden +attention_bias
        k_proj Linear kv,hidden +attention_bias
        v_proj Linear kv,hidden +attention_bias
        o_proj Linear hidden,q +attention_bias
      mlp LlamaMLP
        gate_proj Linear inter,hidden +mlp_bias
        up_proj Linear inter,hidden +mlp_bias
        down_proj Linear hidden,inter +mlp_bias
      input_layernorm LlamaRMSNorm hidden
      post_attention_layernorm LlamaRMSNorm hidden
  norm LlamaRMSNorm hidden
  rotary_emb LlamaRotaryEmbedding half_rotary
lm_head Linear vocab,hidden ~model.embed_tokens.weight
)";

constexpr absl::string_view kMistral = R"(
model MistralModel
  embed_tokens Embedding vocab,hidden
  layers*layers ModuleList
    MistralDecoderLayer
      self_attn MistralAttention
        q_proj Linear q,hidden
        k_proj Linear kv,hidden
        v_proj Linear kv,hidden
        o_proj Linear hidden,q
      mlp MistralMLP
        gate_proj Linear inter,hidden
        up_proj Linear inter,hidden
        down_proj Linear hidden,inter
      input_layernorm MistralRMSNorm hidden
      post_attention_layernorm MistralRMSNorm hidden
  norm MistralRMSNorm hidden
  rotary_emb MistralRotaryEmbedding half_rotary
lm_head Linear vocab,hidden ~model.embed_tokens.weight
)";

// As the checkpoints have it, and transformers 4: each expert's matrices are modules of their own
// and are quantised. transformers 5 stacks them into raw parameters, which bitsandbytes leaves.
constexpr absl::string_view kMixtral = R"(
model MixtralModel
  embed_tokens Embedding vocab,hidden
  layers*layers ModuleList
    MixtralDecoderLayer
      self_attn MixtralAttention
        q_proj Linear q,hidden
        k_proj Linear kv,hidden
        v_proj Linear kv,hidden
        o_proj Linear hidden,q
      block_sparse_moe MixtralSparseMoeBlock
        gate Linear experts,hidden
        experts*experts ModuleList
          MixtralBlockSparseTop2MLP
            w1 Linear inter,hidden
            w2 Linear hidden,inter
            w3 Linear inter,hidden
      input_layernorm MixtralRMSNorm hidden
      post_attention_layernorm MixtralRMSNorm hidden
  norm MixtralRMSNorm hidden
  rotary_emb MixtralRotaryEmbedding half_rotary
lm_head Linear vocab,hidden ~model.embed_tokens.weight
)";

constexpr absl::string_view kPhi3 = R"(
model Phi3Model
  embed_tokens Embedding vocab,hidden
  layers*layers ModuleList
    Phi3DecoderLayer
      self_attn Phi3Attention
        o_proj Linear hidden,q
        qkv_proj Linear qkv,hidden
      mlp Phi3MLP
        gate_up_proj Linear two_inter,hidden
        down_proj Linear hidden,inter
      input_layernorm Phi3RMSNorm hidden
      post_attention_layernorm Phi3RMSNorm hidden
  norm Phi3RMSNorm hidden
  rotary_emb Phi3RotaryEmbedding half_rotary
lm_head Linear vocab,hidden ~model.embed_tokens.weight
)";

constexpr absl::string_view kQwen2 = R"(
model Qwen2Model
  embed_tokens Embedding vocab,hidden
  layers*layers ModuleList
    Qwen2DecoderLayer
      self_attn Qwen2Attention
        q_proj Linear q,hidden +
        k_proj Linear kv,hidden +
        v_proj Linear kv,hidden +
        o_proj Linear hidden,q
      mlp Qwen2MLP
        gate_proj Linear inter,hidden
        up_proj Linear inter,hidden
        down_proj Linear hidden,inter
      input_layernorm Qwen2RMSNorm hidden
      post_attention_layernorm Qwen2RMSNorm hidden
  norm Qwen2RMSNorm hidden
  rotary_emb Qwen2RotaryEmbedding half_rotary
lm_head Linear vocab,hidden ~model.embed_tokens.weight
)";

constexpr absl::string_view kGemma2 = R"(
model Gemma2Model
  embed_tokens Embedding vocab,hidden
  layers*layers ModuleList
    Gemma2DecoderLayer
      self_attn Gemma2Attention
        q_proj Linear q,hidden +attention_bias
        k_proj Linear kv,hidden +attention_bias
        v_proj Linear kv,hidden +attention_bias
        o_proj Linear hidden,q +attention_bias
      mlp Gemma2MLP
        gate_proj Linear inter,hidden
        up_proj Linear inter,hidden
        down_proj Linear hidden,inter
      input_layernorm Gemma2RMSNorm hidden
      post_attention_layernorm Gemma2RMSNorm hidden
      pre_feedforward_layernorm Gemma2RMSNorm hidden
      post_feedforward_layernorm Gemma2RMSNorm hidden
  norm Gemma2RMSNorm hidden
  rotary_emb Gemma2RotaryEmbedding half_rotary
lm_head Linear vocab,hidden ~model.embed_tokens.weight
)";

constexpr absl::string_view kT5 = R"(
shared Embedding vocab,hidden
encoder T5Stack
  embed_tokens Embedding vocab,hidden =shared.weight
  block*encoder_layers ModuleList
    T5Block
      layer ModuleList
        0 T5LayerSelfAttention
          SelfAttention T5Attention
            q Linear q,hidden
            k Linear q,hidden
            v Linear q,hidden
            o Linear hidden,q
            relative_attention_bias Embedding buckets,heads ?first
          layer_norm T5LayerNorm hidden
        1 T5LayerFF
          DenseReluDense T5DenseGatedActDense
            wi_0 Linear inter,hidden ?gated
            wi_1 Linear inter,hidden ?gated
            wi Linear inter,hidden ?ungated
            wo Linear hidden,inter
          layer_norm T5LayerNorm hidden
  final_layer_norm T5LayerNorm hidden
  dropout Dropout
decoder T5Stack
  embed_tokens Embedding vocab,hidden =shared.weight
  block*layers ModuleList
    T5Block
      layer ModuleList
        0 T5LayerSelfAttention
          SelfAttention T5Attention
            q Linear q,hidden
            k Linear q,hidden
            v Linear q,hidden
            o Linear hidden,q
            relative_attention_bias Embedding buckets,heads ?first
          layer_norm T5LayerNorm hidden
        1 T5LayerCrossAttention
          EncDecAttention T5Attention
            q Linear q,hidden
            k Linear q,hidden
            v Linear q,hidden
            o Linear hidden,q
          layer_norm T5LayerNorm hidden
        2 T5LayerFF
          DenseReluDense T5DenseGatedActDense
            wi_0 Linear inter,hidden ?gated
            wi_1 Linear inter,hidden ?gated
            wi Linear inter,hidden ?ungated
            wo Linear hidden,inter
          layer_norm T5LayerNorm hidden
  final_layer_norm T5LayerNorm hidden
  dropout Dropout
lm_head Linear vocab,hidden ~shared.weight
)";

constexpr absl::string_view kBloom = R"(
transformer BloomModel
  word_embeddings Embedding vocab,hidden
  word_embeddings_layernorm LayerNorm hidden +
  h*layers ModuleList
    BloomBlock
      input_layernorm LayerNorm hidden +
      self_attention BloomAttention
        query_key_value Linear qkv,hidden +
        dense Linear hidden,hidden +
      post_attention_layernorm LayerNorm hidden +
      mlp BloomMLP
        dense_h_to_4h Linear inter,hidden +
        dense_4h_to_h Linear hidden,inter +
  ln_f LayerNorm hidden +
lm_head Linear vocab,hidden ~transformer.word_embeddings.weight
)";

constexpr absl::string_view kOpt = R"(
model OPTModel
  decoder OPTDecoder
    embed_tokens Embedding vocab,word_embed
    embed_positions OPTLearnedPositionalEmbedding positions_and_2,hidden
    project_out Linear word_embed,hidden ?projects ^
    project_in Linear hidden,word_embed ?projects
    final_layer_norm LayerNorm hidden + ?final_norm ^
    layers*layers ModuleList
      OPTDecoderLayer
        self_attn OPTAttention
          k_proj Linear hidden,hidden +enable_bias
          v_proj Linear hidden,hidden +enable_bias
          q_proj Linear hidden,hidden +enable_bias
          out_proj Linear hidden,hidden +enable_bias
        self_attn_layer_norm LayerNorm hidden +
        fc1 Linear inter,hidden +enable_bias
        fc2 Linear hidden,inter +enable_bias
        final_layer_norm LayerNorm hidden +
lm_head Linear vocab,word_embed ~model.decoder.embed_tokens.weight
)";

constexpr ModelFamily kFamilies[] = {
    {"Llama", "LlamaForCausalLM", "llama", "model", "LlamaDecoderLayer", "", false, 0, 0,
     WindowPattern::kNone, kLlama},
    {"Mistral", "MistralForCausalLM", "mistral", "model", "MistralDecoderLayer", "", false, 8, 0,
     WindowPattern::kAll, kMistral},
    {"Mixtral", "MixtralForCausalLM", "mixtral", "model", "MixtralDecoderLayer", "", false, 8, 0,
     WindowPattern::kAll, kMixtral},
    {"Phi-3", "Phi3ForCausalLM", "phi3", "model", "Phi3DecoderLayer", "", false, 0, 0,
     WindowPattern::kAll, kPhi3},
    {"Qwen2", "Qwen2ForCausalLM", "qwen2", "model", "Qwen2DecoderLayer", "", false, 32, 0,
     WindowPattern::kIfUsed, kQwen2},
    {"Gemma-2", "Gemma2ForCausalLM", "gemma2", "model", "Gemma2DecoderLayer", "", true, 4, 256,
     WindowPattern::kEveryOther, kGemma2},
    {"T5", "T5ForConditionalGeneration", "t5", "", "T5Block", "wo", true, 0, 64,
     WindowPattern::kNone, kT5},
    {"BLOOM", "BloomForCausalLM", "bloom", "transformer", "BloomBlock", "", true, 0, 0,
     WindowPattern::kNone, kBloom},
    {"OPT", "OPTForCausalLM", "opt", "model", "OPTDecoderLayer", "", true, 0, 0,
     WindowPattern::kNone, kOpt},
};

}  // namespace

absl::Span<const ModelFamily> ModelFamilies() { return kFamilies; }

}  // namespace gantry
