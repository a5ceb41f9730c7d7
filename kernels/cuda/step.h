#ifndef GANTRY_KERNELS_CUDA_STEP_H_
#define GANTRY_KERNELS_CUDA_STEP_H_

#include <cstddef>
#include <cstdint>

// Included by .cu and by .cc files: nothing from outside.

namespace gantry {

// Element type of activations, and of keys and values.
enum class CudaType : int { kFloat, kHalf, kBFloat16 };
inline size_t CudaTypeSize(CudaType type) { return type == CudaType::kFloat ? 4 : 2; }

// StepLayout on the device. The pointers are to device memory and stay the same from step to step,
// so that a recorded graph reads the layout of the step in which it is replayed; the numbers are
// part of the graph's key.
struct DeviceStep {
  int rows = 0;
  int slices = 0;
  int logit_row_count = 0;
  bool all_single = false;  // every slice is one row: slice i is row i
  // No slice has more positions than this, its own rows included; a power of two.
  int context_bound = 0;
  int half_rotary = 0;  // rotary_dim / 2, the largest of the step's ropes

  const int32_t* token_ids = nullptr;           // [rows]
  const int32_t* positions = nullptr;           // [rows]
  const int32_t* row_slices = nullptr;          // [rows]
  const int32_t* slice_first_rows = nullptr;    // [slices]
  const int32_t* slice_rows = nullptr;          // [slices]
  const int32_t* slice_first_blocks = nullptr;  // [slices], into block_table
  const int32_t* slice_ropes = nullptr;         // [slices]
  const int32_t* block_table = nullptr;
  const int32_t* logit_rows = nullptr;   // [logit_row_count]
  const float* inv_freq = nullptr;       // [ropes, half_rotary], 0 beyond a rope's own half
  const float* rope_scales = nullptr;    // [ropes]
  const int32_t* rope_halves = nullptr;  // [ropes]: rotary_dim / 2 of each
  float* rotation = nullptr;             // [rows, 2, half_rotary]: cosines, then sines
  int32_t* non_finite = nullptr;         // [rows]: not 0 for a row noted
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_STEP_H_
