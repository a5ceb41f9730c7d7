#include <cuda_fp16.h>

#include "kernels/cuda/int8.h"
#include "kernels/cuda/norm_row.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"
#include "kernels/cuda/reduce.cuh"

namespace gantry {
namespace {

constexpr int kThreads = kNormThreads;
constexpr int kWarps = kThreads / 32;

// Lists the columns with a flag in ascending order, and clears the flags for the next product. One
// block of threads.
__device__ void ListAscending(int cols, const CudaInt8Activations& out) {
  __shared__ int counts[kWarps];
  __shared__ int total;
  if (threadIdx.x == 0) total = 0;
  __syncthreads();
  for (int base = 0; base < cols; base += kThreads) {
    const int i = base + threadIdx.x;
    const bool set = i < cols && out.flags[i] != 0;
    if (set) out.flags[i] = 0;
    const unsigned lanes = __ballot_sync(~0u, set);
    if (threadIdx.x % 32 == 0) counts[threadIdx.x / 32] = __popc(lanes);
    __syncthreads();
    int before = total;
    for (int warp = 0; warp < (int)threadIdx.x / 32; ++warp) before += counts[warp];
    if (set) out.columns[before + __popc(lanes & ((1u << threadIdx.x % 32) - 1))] = i;
    __syncthreads();
    if (threadIdx.x == kThreads - 1) total = before + __popc(lanes);
    __syncthreads();
  }
  if (threadIdx.x == 0) *out.count = total;
}

// The same of the columns that `is_set` names, by column % 32 and then ascending: a lane looks at
// its own columns, each warp at a share of them.
template <typename IsSet>
__device__ void ListByLane(int cols, const IsSet& is_set, int32_t* columns, int32_t* starts) {
  __shared__ int counts[kWarps][32];
  __shared__ int firsts[32];
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int share = ((cols + 31) / 32 + kWarps - 1) / kWarps * 32;
  const int begin = warp * share + lane;
  const int end = min(cols, (warp + 1) * share);
  int found = 0;
  for (int i = begin; i < end; i += 32) found += is_set(i);
  counts[warp][lane] = found;
  __syncthreads();
  if (warp == 0) {
    int total = 0;
    for (int i = 0; i < kWarps; ++i) total += counts[i][lane];
    int sum = total;
    for (int offset = 1; offset < 32; offset *= 2) {
      const int below = __shfl_up_sync(~0u, sum, offset);
      if (lane >= offset) sum += below;
    }
    firsts[lane] = sum - total;
    starts[lane] = sum - total;
    if (lane == 31) starts[32] = sum;
  }
  __syncthreads();
  int at = firsts[lane];
  for (int i = 0; i < warp; ++i) at += counts[i][lane];
  for (int i = begin; i < end; i += 32) {
    if (is_set(i)) columns[at++] = i;
  }
}

// One block of threads a token. The row passes through shared memory, normalised.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    Quantise(const T* x, const float* norm_weight, float norm_eps, int cols,
             CudaInt8Options options, bool union_of_tokens, CudaInt8Activations out) {
  extern __shared__ __align__(16) unsigned char shared[];
  __shared__ float scratch[2 * kWarps];
  const int64_t token = blockIdx.x;
  T* const row = reinterpret_cast<T*>(shared);
  GridDependencyWait();
  if (norm_weight != nullptr) {
    NormaliseRow(x + token * cols, norm_weight, norm_eps, cols, scratch, row);
  } else {
    for (int i = threadIdx.x; i < cols; i += kThreads) row[i] = x[token * cols + i];
  }
  __syncthreads();
  float most = 0;
  bool found = false;
  for (int i = threadIdx.x; i < cols; i += kThreads) {
    const half value = FromFloat<half>(ToFloat(row[i]));
    out.values[token * cols + i] = value;
    const float magnitude = fabsf(__half2float(value));
    if (options.threshold > 0 && magnitude >= options.threshold) {
      if (union_of_tokens) out.flags[i] = 1;
      found = true;
    } else {
      most = fmaxf(most, magnitude);
    }
  }
  most = BlockMax(most, scratch + kWarps);
  if (threadIdx.x == 0) out.absmax[token] = most;
  // As bitsandbytes, which is compiled with fast division.
  const float scale = most > 0 ? __fdividef(127.0f, most) : 0.0f;
  for (int i = threadIdx.x; i < cols; i += kThreads) {
    const float value = __half2float(FromFloat<half>(ToFloat(row[i])));
    const bool outlier = options.threshold > 0 && fabsf(value) >= options.threshold;
    out.codes[token * cols + i] = outlier ? 0 : (int8_t)__float2int_rn(value * scale);
  }
  if (options.threshold <= 0) return;
  if (union_of_tokens) {
    if (found) *out.any = 1;
    return;
  }
  // There are none as a rule, and then there is nothing to list.
  int32_t* const starts = out.starts + token * kInt8Starts;
  if (__syncthreads_or(found)) {
    const auto is_outlier = [&](int i) {
      return fabsf(__half2float(FromFloat<half>(ToFloat(row[i])))) >= options.threshold;
    };
    ListByLane(cols, is_outlier, out.columns + token * cols, starts);
  } else if (threadIdx.x < kInt8Starts) {
    starts[threadIdx.x] = 0;
  }
}

// Lists the union of all tokens' outliers.
__global__ void __launch_bounds__(kThreads)
    ListOutliers(int cols, bool ascending, CudaInt8Activations out) {
  GridDependencyWait();
  const bool any = *out.any != 0;
  __syncthreads();
  if (!any) {
    if (threadIdx.x == 0) *out.count = 0;
    if (threadIdx.x < kInt8Starts) out.starts[threadIdx.x] = 0;
    return;
  }
  if (threadIdx.x == 0) *out.any = 0;
  if (ascending) {
    ListAscending(cols, out);
    return;
  }
  ListByLane(
      cols, [&](int i) { return out.flags[i] != 0; }, out.columns, out.starts);
  __syncthreads();
  for (int i = threadIdx.x; i < cols; i += kThreads) out.flags[i] = 0;
  if (threadIdx.x == 0) *out.count = out.starts[kInt8Starts - 1];
}

// Takes every token's values in outlier columns out of the integers.
__global__ void ClearColumns(int tokens, int cols, CudaInt8Activations out) {
  GridDependencyWait();
  const int count = *out.count;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count * tokens;
       i += gridDim.x * blockDim.x) {
    out.codes[(int64_t)(i / count) * cols + out.columns[i % count]] = 0;
  }
}

template <typename T>
cudaError_t Launch(const void* x, const float* norm_weight, float norm_eps, int tokens, int cols,
                   const CudaInt8Options& options, CudaInt8Lists lists,
                   const CudaInt8Activations& out, cudaStream_t stream) {
  const size_t shared = cols * sizeof(T);
  const bool union_of_tokens = lists != CudaInt8Lists::kEachToken;
  cudaError_t error =
      cudaFuncSetAttribute(Quantise<T>, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared);
  if (error != cudaSuccess) return error;
  error =
      LaunchPdl(Quantise<T>, dim3(tokens), dim3(kThreads), shared, stream, static_cast<const T*>(x),
                norm_weight, norm_eps, cols, options, union_of_tokens, out);
  if (error != cudaSuccess || options.threshold <= 0 || !union_of_tokens) return error;
  error = LaunchPdl(ListOutliers, dim3(1), dim3(kThreads), 0, stream, cols,
                    lists == CudaInt8Lists::kAscending, out);
  if (error != cudaSuccess || !options.per_batch) return error;
  return LaunchPdl(ClearColumns, dim3(32), dim3(256), 0, stream, tokens, cols, out);
}

}  // namespace

cudaError_t Int8Quantise(CudaType type, const void* x, const float* norm_weight, float norm_eps,
                         int tokens, int cols, const CudaInt8Options& options, CudaInt8Lists lists,
                         const CudaInt8Activations& out, cudaStream_t stream) {
  return DispatchType(type, [&](auto element) {
    return Launch<decltype(element)>(x, norm_weight, norm_eps, tokens, cols, options, lists, out,
                                     stream);
  });
}

}  // namespace gantry
