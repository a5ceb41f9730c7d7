#include "worker/decoder_layer.h"

#include <cmath>

#include "base/status_macros.h"

namespace gantry {
namespace {

LinearArgs::Epilogue GateOf(Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return LinearArgs::Epilogue::kSiluGate;
    case Activation::kGelu:
      return LinearArgs::Epilogue::kGeluGate;
    case Activation::kGeluTanh:
      return LinearArgs::Epilogue::kGeluTanhGate;
  }
  return LinearArgs::Epilogue::kSiluGate;
}

LinearArgs MakeArgs(const LinearWeights& weights, int64_t tokens, const Buffer& x,
                    LinearArgs::Epilogue epilogue, Buffer* out) {
  LinearArgs args;
  args.x = &x;
  args.weight = weights.matrix.get();
  args.bias = weights.bias.get();
  args.epilogue = epilogue;
  args.out = out;
  args.tokens = tokens;
  return args;
}

}  // namespace

absl::Status RunDecoderLayer(const ModelConfig& config, const ModuleWeights& layer, int64_t tokens,
                             KvCache* cache, Workspace* workspace, Backend* backend) {
  const float eps = static_cast<float>(config.rms_norm_eps);
  Buffer* const hidden = workspace->hidden.get();

  LinearArgs qkv =
      MakeArgs(layer.qkv, tokens, *hidden, LinearArgs::Epilogue::kNone, workspace->qkv.get());
  qkv.norm_weight = layer.input_norm.get();
  qkv.norm_eps = eps;
  GANTRY_RETURN_IF_ERROR(backend->Linear(qkv));

  AttentionArgs attention;
  attention.qkv = workspace->qkv.get();
  attention.out = workspace->attended.get();
  attention.cache = cache;
  attention.heads = config.num_heads;
  attention.kv_heads = config.num_kv_heads;
  attention.head_dim = config.head_dim;
  attention.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.head_dim)));
  attention.sliding_window = config.sliding_window[layer.spec.layer];
  GANTRY_RETURN_IF_ERROR(backend->Attention(attention));

  GANTRY_RETURN_IF_ERROR(backend->Linear(
      MakeArgs(layer.o, tokens, *workspace->attended, LinearArgs::Epilogue::kAddTo, hidden)));

  LinearArgs gate_up =
      MakeArgs(layer.gate_up, tokens, *hidden, GateOf(config.activation), workspace->gated.get());
  gate_up.norm_weight = layer.post_attention_norm.get();
  gate_up.norm_eps = eps;
  GANTRY_RETURN_IF_ERROR(backend->Linear(gate_up));

  return backend->Linear(
      MakeArgs(layer.down, tokens, *workspace->gated, LinearArgs::Epilogue::kAddTo, hidden));
}

}  // namespace gantry
