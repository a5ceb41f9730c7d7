#include "kernels/cuda/quantise.h"

#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"
#include "kernels/cuda/reduce.cuh"

namespace gantry {
namespace {

constexpr int kThreads = 256;

// The number of midpoints between neighbouring codes that x is above; a tie goes to the lower code.
__device__ __forceinline__ int Nf4Code(float x) {
  constexpr float kMidpoints[15] = {
      -0.8480964004993439f,  -0.6106329262256622f,  -0.4599952697753906f,   -0.33967943489551544f,
      -0.23460740596055984f, -0.13791173696517944f, -0.045525018125772476f, 0.03979014977812767f,
      0.1202552504837513f,   0.2035212516784668f,   0.2920137718319893f,    0.3893125355243683f,
      0.5016634166240692f,   0.6427869200706482f,   0.8614784181118011f};
  int code = 0;
#pragma unroll
  for (int i = 0; i < 15; ++i) code += x > kMidpoints[i];
  return code;
}

// Codes in the order of their bits: sign, then which of eight magnitudes. Ties go to the smaller
// magnitude.
__device__ __forceinline__ int Fp4Code(float x) {
  const int sign = x < 0 ? 8 : 0;
  const float magnitude = fabsf(x);
  if (magnitude > 0.29166667f) {
    if (magnitude > 0.583333f) return sign + (magnitude > 0.8333333f ? 3 : 2);
    return sign + (magnitude > 0.4166667f ? 5 : 4);
  }
  if (magnitude > 0.0859375f) return sign + (magnitude > 0.20833333f ? 7 : 6);
  return sign + (magnitude > 0.00260417f ? 1 : 0);
}

template <FourBit kKind>
__device__ __forceinline__ int Code(float x) {
  return kKind == FourBit::kNf4 ? Nf4Code(x) : Fp4Code(x);
}

// One warp a block of weights.
template <typename T, FourBit kKind>
__global__ void FourBitKernel(const T* weights, int64_t count, int block_size, uint8_t* codes,
                              float* absmax) {
  const int lane = threadIdx.x % 32;
  const int64_t block = static_cast<int64_t>(blockIdx.x) * (kThreads / 32) + threadIdx.x / 32;
  const int64_t first = block * block_size;
  GridDependencyWait();
  if (first >= count) return;
  const int64_t end = count - first < block_size ? count : first + block_size;
  float max = 0;
  for (int64_t i = first + 2 * lane; i < end; i += 64) {
    max = fmaxf(max, fabsf(ToFloat(weights[i])));
    if (i + 1 < end) max = fmaxf(max, fabsf(ToFloat(weights[i + 1])));
  }
  max = WarpMax(max);
  if (lane == 0) absmax[block] = max;
  // bitsandbytes is compiled with fast division, which is an ulp off now and then: where weights
  // are multiples of each other, as in 16 bits, that decides ties between codes.
  const float inverse = max > 0 ? __fdividef(1.0f, max) : 0.0f;
  for (int64_t i = first + 2 * lane; i < end; i += 64) {
    const int high = Code<kKind>(__fmul_rn(ToFloat(weights[i]), inverse));
    const int low = i + 1 < end ? Code<kKind>(__fmul_rn(ToFloat(weights[i + 1]), inverse)) : 0;
    codes[i / 2] = static_cast<uint8_t>(high << 4 | low);
  }
}

template <typename T>
__device__ __forceinline__ float AsHalf(T x) {
  return __half2float(__float2half_rn(ToFloat(x)));
}

// One block a row.
template <typename T>
__global__ void Int8Kernel(const T* weights, int cols, int8_t* codes, float* scb) {
  __shared__ float scratch[32];
  GridDependencyWait();
  const int64_t row = blockIdx.x;
  weights += row * cols;
  codes += row * cols;
  float max = 0;
  for (int i = threadIdx.x; i < cols; i += kThreads) max = fmaxf(max, fabsf(AsHalf(weights[i])));
  max = BlockMax(max, scratch);
  if (threadIdx.x == 0) scb[row] = max;
  for (int i = threadIdx.x; i < cols; i += kThreads) {
    // The product is exact: eleven bits by seven.
    const float scaled = __fdiv_rn(__fmul_rn(AsHalf(weights[i]), 127.0f), max);
    codes[i] = max > 0 ? static_cast<int8_t>(__float2int_rn(scaled)) : 0;
  }
}

}  // namespace

cudaError_t LaunchQuantiseFourBit(FourBit kind, CudaType type, const void* weights, int64_t count,
                                  int block_size, uint8_t* codes, float* absmax,
                                  cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  return DispatchType(type, [&](auto element) {
    using T = decltype(element);
    const int64_t per_block = static_cast<int64_t>(kThreads / 32) * block_size;
    return LaunchPdl(
        kind == FourBit::kNf4 ? FourBitKernel<T, FourBit::kNf4> : FourBitKernel<T, FourBit::kFp4>,
        static_cast<unsigned>((count + per_block - 1) / per_block), kThreads, 0, stream,
        static_cast<const T*>(weights), count, block_size, codes, absmax);
  });
}

cudaError_t LaunchQuantiseInt8(CudaType type, const void* weights, int64_t rows, int cols,
                               int8_t* codes, float* scb, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  return DispatchType(type, [&](auto element) {
    using T = decltype(element);
    return LaunchPdl(Int8Kernel<T>, static_cast<unsigned>(rows), kThreads, 0, stream,
                     static_cast<const T*>(weights), cols, codes, scb);
  });
}

}  // namespace gantry
