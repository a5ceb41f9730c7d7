#ifndef GANTRY_KERNELS_CUDA_DEQUANTISE_H_
#define GANTRY_KERNELS_CUDA_DEQUANTISE_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/quantise.h"
#include "kernels/cuda/step.h"

namespace gantry {

// A 4-bit tensor on the device in the layout of base/packed.h.
struct FourBitTensor {
  FourBit kind = FourBit::kNf4;
  int64_t cols = 0;
  int block_size = 64;
  const uint8_t* codes = nullptr;         // of the whole tensor
  const float* absmax = nullptr;          // [blocks]; null with double quantisation
  const uint8_t* absmax_codes = nullptr;  // [blocks]
  const float* nested_absmax = nullptr;   // [ceil(blocks / 256)]
  const float* nested_map = nullptr;      // [256]
  float nested_offset = 0;
};

// Rows [first, first + count) to out [count, cols] of `type`: code * absmax in fp32, rounded once.
cudaError_t LaunchDequantiseFourBit(const FourBitTensor& tensor, int64_t first, int64_t count,
                                    CudaType type, void* out, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_DEQUANTISE_H_
