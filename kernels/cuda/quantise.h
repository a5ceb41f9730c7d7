#ifndef GANTRY_KERNELS_CUDA_QUANTISE_H_
#define GANTRY_KERNELS_CUDA_QUANTISE_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/step.h"

namespace gantry {

// Weights to the layouts of base/packed.h, bit for bit as bitsandbytes' CUDA kernels, blocks of
// zeros aside: those get the codes that stand for 0.

enum class FourBit { kNf4, kFp4 };

// `count` weights of `type` in row-major order, of which the first begins a block, to codes
// [ceil(count / 2)] (the first of a pair in the high nibble, an odd one out with a low nibble of 0)
// and absmax [ceil(count / block_size)]. block_size is a power of two from 32 to 4096. A tensor may
// be done in pieces of whole blocks.
cudaError_t LaunchQuantiseFourBit(FourBit kind, CudaType type, const void* weights, int64_t count,
                                  int block_size, uint8_t* codes, float* absmax,
                                  cudaStream_t stream);

// Rows of `type`, rounded to fp16 first, to codes [rows, cols] and SCB [rows], the rows' absmax:
// code = w * 127 / absmax, the quotient rounded once to float and then half to even.
cudaError_t LaunchQuantiseInt8(CudaType type, const void* weights, int64_t rows, int cols,
                               int8_t* codes, float* scb, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_QUANTISE_H_
