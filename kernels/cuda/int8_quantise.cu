#include <cuda_fp16.h>

#include "kernels/cuda/int8.h"
#include "kernels/cuda/int8_lists.cuh"
#include "kernels/cuda/norm_row.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"
#include "kernels/cuda/reduce.cuh"

namespace gantry {
namespace {

constexpr int kThreads = kInt8ListThreads;
constexpr int kWarps = kThreads / 32;
static_assert(kThreads == kNormThreads, "a block does both");

// body(i, eight) with eight elements of a row from i on, or with single ones where rows are not
// made of vectors. A block of threads.
template <typename T, typename Body>
__device__ __forceinline__ void ForEach(const T* row, int cols, const Body& body) {
  if (cols % 8 != 0) {
    for (int i = threadIdx.x; i < cols; i += kThreads) {
      const float single[1] = {ToFloat(row[i])};
      body(i, single);
    }
    return;
  }
  for (int i = threadIdx.x * 8; i < cols; i += kThreads * 8) {
    float eight[8];
    LoadEight(row + i, eight);
    body(i, eight);
  }
}

__device__ __forceinline__ void StoreCodes(const int8_t (&codes)[1], int8_t* to) { *to = codes[0]; }
__device__ __forceinline__ void StoreCodes(const int8_t (&codes)[8], int8_t* to) {
  uint2 words;
  memcpy(&words, codes, sizeof(words));
  *reinterpret_cast<uint2*>(to) = words;
}
template <typename T>
__device__ __forceinline__ void StoreEach(const float (&values)[1], T* to) {
  *to = FromFloat<T>(values[0]);
}
template <typename T>
__device__ __forceinline__ void StoreEach(const float (&values)[8], T* to) {
  StoreEight(to, values);
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
  __shared__ Int8TokenList list;
  const bool lists_own = union_of_tokens && out.token_outliers != nullptr && !options.per_batch;
  if (threadIdx.x == 0) list.count = 0;
  GridDependencyWait();
  if (norm_weight != nullptr) {
    NormaliseRow(x + token * cols, norm_weight, norm_eps, cols, scratch, row);
  } else {
    ForEach(x + token * cols, cols,
            [&](int i, const auto& values) { StoreEach<T>(values, row + i); });
  }
  __syncthreads();
  float most = 0;
  bool found = false;
  const auto is_outlier = [&](float value) {
    return options.threshold > 0 && fabsf(value) >= options.threshold;
  };
  ForEach(row, cols, [&](int first, const auto& values) {
#pragma unroll
    for (int j = 0; j < (int)(sizeof(values) / sizeof(float)); ++j) {
      const float value = Round<half>(values[j]);
      if (!is_outlier(value)) {
        most = fmaxf(most, fabsf(value));
        continue;
      }
      found = true;
      const int i = first + j;
      if (union_of_tokens) {
        // Most tokens have outliers where others have some.
        const uint32_t bit = 1u << i % 32;
        if ((__ldcg(out.flags + i / 32) & bit) == 0) atomicOr(out.flags + i / 32, bit);
      }
      if (lists_own) list.Add(i, FromFloat<half>(value));
    }
  });
  most = BlockMax(most, scratch + kWarps);
  found = __syncthreads_or(found);
  if (threadIdx.x == 0) out.absmax[token] = most;
  // As bitsandbytes, which is compiled with fast division.
  const float scale = most > 0 ? __fdividef(127.0f, most) : 0.0f;
  const bool keeps_values =
      options.threshold > 0 && (found || options.per_batch || (union_of_tokens && !lists_own));
  ForEach(row, cols, [&](int i, const auto& values) {
    constexpr int kCount = sizeof(values) / sizeof(float);
    int8_t codes[kCount];
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      const float value = Round<half>(values[j]);
      codes[j] = is_outlier(value) ? 0 : (int8_t)__float2int_rn(value * scale);
    }
    StoreCodes(codes, out.codes + token * cols + i);
    if (keeps_values) StoreEach<half>(values, out.values + token * cols + i);
  });
  if (options.threshold <= 0) return;
  if (union_of_tokens) {
    if (found && threadIdx.x == 0) *out.any = 1;
    if (!lists_own) return;
    list.Write(gridDim.x, out.token_outliers + token);
    if (threadIdx.x == 0) {
      out.token_counts[token] = list.count;
      if (list.count > 0) atomicMax(out.most, list.count);
    }
    return;
  }
  int32_t* const starts = out.starts + token * kInt8Starts;
  if (found) {
    ListByLane(
        cols, [&](int i) { return is_outlier(Round<half>(ToFloat(row[i]))); },
        out.columns + token * cols, starts);
  } else if (threadIdx.x < kInt8Starts) {
    starts[threadIdx.x] = 0;
  }
}

__device__ CudaInt8Way WayOf(int count, int most, int cols, bool each_token) {
  if (count == 0) return CudaInt8Way::kNone;
  if (count <= kInt8FewColumns) return CudaInt8Way::kFew;
  // Beyond an eighth of the columns tensor cores are quicker with all of them.
  if (each_token && most <= min(kInt8TokenOutliers, cols / 8)) return CudaInt8Way::kEachToken;
  return CudaInt8Way::kUnion;
}

// Lists the union of all tokens' outliers.
__global__ void __launch_bounds__(kThreads)
    ListOutliers(int cols, bool ascending, bool per_batch, CudaInt8Activations out) {
  GridDependencyWait();
  const bool any = *out.any != 0;
  __syncthreads();
  if (!any) {
    if (threadIdx.x == 0) *out.count = 0;
    if (threadIdx.x == 0) *out.way = CudaInt8Way::kNone;
    if (threadIdx.x < kInt8Starts) out.starts[threadIdx.x] = 0;
    return;
  }
  if (threadIdx.x == 0) *out.any = 0;
  const int words = (cols + 31) / 32;
  if (ascending) {
    const int count = ListFew(words, out.flags, out.columns);
    if (threadIdx.x == 0) {
      *out.count = count;
      const bool each_token = out.token_outliers != nullptr && !per_batch;
      *out.way = WayOf(count, *out.most, cols, each_token);
      *out.most = 0;
    }
  } else {
    const auto is_set = [&](int i) { return (out.flags[i / 32] >> i % 32 & 1) != 0; };
    ListByLane(cols, is_set, out.columns, out.starts);
    __syncthreads();
    if (threadIdx.x == 0) *out.count = out.starts[kInt8Starts - 1];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < words; i += kThreads) {
    out.mask[i] = out.flags[i];
    out.flags[i] = 0;
  }
}

// Takes every token's values in outlier columns out of the integers.
__global__ void ClearColumns(int tokens, int cols, CudaInt8Activations out) {
  GridDependencyWait();
  if (*out.count == 0) return;
  const int words = (cols + 31) / 32;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < words * tokens;
       i += gridDim.x * blockDim.x) {
    int8_t* const codes = out.codes + (int64_t)(i / words) * cols + i % words * 32;
    for (uint32_t word = out.mask[i % words]; word != 0; word &= word - 1)
      codes[__ffs(word) - 1] = 0;
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
                    lists == CudaInt8Lists::kManyTokens, options.per_batch, out);
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
