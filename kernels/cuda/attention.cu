#include "kernels/cuda/attention.h"

#include "kernels/cuda/attention_decode.h"
#include "kernels/cuda/attention_prefill.h"
#include "kernels/cuda/attention_store.h"

namespace gantry {
namespace {

cudaError_t LaunchDecode(const DeviceStep& step, const CudaAttention& attention, DecodeRows rows,
                         cudaStream_t stream) {
  return TakesTensorCores(attention) ? LaunchTensorDecode(step, attention, rows, stream)
                                     : LaunchPlainDecode(step, attention, rows, stream);
}

}  // namespace

bool SupportsAttention(const CudaAttention& attention) {
  return attention.head_dim >= 1 && attention.head_dim <= 256 && attention.kv_heads >= 1 &&
         attention.heads >= attention.kv_heads && attention.heads % attention.kv_heads == 0 &&
         attention.heads <= 4096 && attention.block_size >= 1;
}

size_t AttentionWorkspaceBytes(const CudaAttention& attention, int context_bound) {
  return DecodeWorkspaceBytes(attention, context_bound);
}

cudaError_t LaunchAttention(const DeviceStep& step, const CudaAttention& attention,
                            bool deterministic, cudaStream_t stream) {
  if (!SupportsAttention(attention)) return cudaErrorNotSupported;
  if (step.rows == 0) return cudaSuccess;
  if (step.all_single) return LaunchDecode(step, attention, DecodeRows::kNew, stream);
  cudaError_t error = LaunchAttentionStore(step, attention, stream);
  if (error != cudaSuccess) return error;
  if (deterministic || !TakesTensorCores(attention)) {
    return LaunchDecode(step, attention, DecodeRows::kAll, stream);
  }
  error = LaunchPrefill(step, attention, stream);
  if (error != cudaSuccess || step.slices == 1) return error;
  return LaunchDecode(step, attention, DecodeRows::kSingle, stream);
}

}  // namespace gantry
