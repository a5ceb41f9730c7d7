#ifndef GANTRY_KERNELS_CUDA_ATTENTION_H_
#define GANTRY_KERNELS_CUDA_ATTENTION_H_

#include <cuda_runtime.h>

#include <cstddef>

#include "kernels/cuda/step.h"

namespace gantry {

// One layer's attention on the device. Keys and values are each
// [num_blocks, kv_heads, block_size, head_dim] of kv_type, blocks aligned to 16 bytes.
struct CudaAttention {
  CudaType type = CudaType::kFloat;     // of qkv and out
  CudaType kv_type = CudaType::kFloat;  // of keys and values
  int architecture = 0;                 // compute capability, 10 * major + minor
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int block_size = 0;
  int sliding_window = 0;  // a token sees itself and window-1 before it; 0: all before it
  float scale = 0;         // of the scores, > 0

  const void* qkv = nullptr;  // [rows, (heads + 2 * kv_heads) * head_dim], before rotation
  void* out = nullptr;        // [rows, heads * head_dim]
  void* keys = nullptr;
  void* values = nullptr;
  // AttentionWorkspaceBytes, zeroed once; kernels leave it ready for the next ones of the stream,
  // whatever their shape.
  void* workspace = nullptr;
};

// Whether there is a kernel: head_dim <= 256, heads a multiple of kv_heads.
bool SupportsAttention(const CudaAttention& attention);
// Whether tensor cores compute it: 16-bit activations, a cache of the same type, and 8.0 and up.
inline bool TakesTensorCores(const CudaAttention& attention) {
  return attention.architecture >= 80 && attention.type != CudaType::kFloat &&
         attention.kv_type == attention.type && attention.head_dim % 8 == 0 &&
         attention.head_dim <= 256;
}

// Enough for steps of any number of rows whose context_bound is at most this.
size_t AttentionWorkspaceBytes(const CudaAttention& attention, int context_bound);

// Rotates q and k of every row by step.rotation, stores k and v at the rows' positions, and
// attends. What positions before a step's own hold must come from an earlier step, and an upload of
// step's arrays or another full dependency lies between the two: kernels read old keys before they
// wait for the kernel before them.
//
// A row that is alone in its slice sums in an order that its position alone determines. So does
// every row when `deterministic`; otherwise rows of longer slices take the tensor cores, where the
// order depends on position too, but is another one.
cudaError_t LaunchAttention(const DeviceStep& step, const CudaAttention& attention,
                            bool deterministic, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_ATTENTION_H_
