#include "kernels/cuda/dequantise.h"

#include "kernels/cuda/four_bit_codes.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ float Absmax(const FourBitTensor& tensor, int64_t block) {
  if (tensor.absmax != nullptr) return tensor.absmax[block];
  return __fadd_rn(
      __fmul_rn(tensor.nested_map[tensor.absmax_codes[block]], tensor.nested_absmax[block / 256]),
      tensor.nested_offset);
}

// Writes eight elements from `at` on to out[at - begin], as far as they are in [begin, end).
template <typename T>
__device__ __forceinline__ void StoreWithin(const float (&eight)[8], int64_t at, int64_t begin,
                                            int64_t end, T* out) {
  if (at >= begin && at + 8 <= end && IsAligned16(out + (at - begin))) {
    StoreEight(out + (at - begin), eight);
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    if (at + i >= begin && at + i < end) out[at + i - begin] = FromFloat<T>(eight[i]);
  }
}

// A thread does eight elements of the flattened tensor, which share a block.
template <typename T>
__global__ void FourBitKernel(FourBitTensor tensor, int64_t begin, int64_t end, T* out) {
  __shared__ float codebook[16];
  if (threadIdx.x < 16) {
    codebook[threadIdx.x] = FourBitCode(tensor.kind == FourBit::kFp4, threadIdx.x);
  }
  __syncthreads();
  GridDependencyWait();
  const int64_t at = (begin / 8 + static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 8;
  if (at >= end) return;
  const float absmax = Absmax(tensor, at / tensor.block_size);
  float eight[8];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    // The last byte of the tensor may lie in the middle of eight elements.
    const int pair = at + 2 * i < end ? tensor.codes[at / 2 + i] : 0;
    eight[2 * i] = __fmul_rn(codebook[pair >> 4], absmax);
    eight[2 * i + 1] = __fmul_rn(codebook[pair & 15], absmax);
  }
  StoreWithin(eight, at, begin, end, out);
}

unsigned BlocksFor(int64_t begin, int64_t end) {
  const int64_t threads = (end + 7) / 8 - begin / 8;
  return static_cast<unsigned>((threads + kThreads - 1) / kThreads);
}

}  // namespace

cudaError_t LaunchDequantiseFourBit(const FourBitTensor& tensor, int64_t first, int64_t count,
                                    CudaType type, void* out, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  const int64_t begin = first * tensor.cols;
  const int64_t end = begin + count * tensor.cols;
  return DispatchType(type, [&](auto element) {
    using T = decltype(element);
    return LaunchPdl(FourBitKernel<T>, BlocksFor(begin, end), kThreads, 0, stream, tensor, begin,
                     end, static_cast<T*>(out));
  });
}

}  // namespace gantry
