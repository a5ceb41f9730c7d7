#ifndef GANTRY_KERNELS_CUDA_INT8_LISTS_CUH_
#define GANTRY_KERNELS_CUDA_INT8_LISTS_CUH_

#include "kernels/cuda/int8.h"
#include "kernels/cuda/int8_outlier.cuh"

namespace gantry {

// Lists of outliers, each made by a block of kInt8ListThreads threads in an order that does not
// depend on which of them is first.
inline constexpr int kInt8ListThreads = 512;
inline constexpr int kInt8ListWarps = kInt8ListThreads / 32;

// Lists the columns whose bits are set in a mask in ascending order if they are few, and returns
// how many they are. A block of threads.
__device__ inline int ListFew(int words, const uint32_t* mask, int32_t* columns) {
  __shared__ int counts[kInt8ListWarps];
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  // Each thread its share of the words.
  const int share = (words + kInt8ListThreads - 1) / kInt8ListThreads;
  const int begin = threadIdx.x * share;
  const int end = min(words, begin + share);
  int own = 0;
  for (int i = begin; i < end; ++i) own += __popc(mask[i]);
  int at = own;
  for (int offset = 1; offset < 32; offset *= 2) {
    const int below = __shfl_up_sync(~0u, at, offset);
    if (lane >= offset) at += below;
  }
  if (lane == 31) counts[warp] = at;
  __syncthreads();
  at -= own;
  int total = 0;
  for (int i = 0; i < kInt8ListWarps; ++i) {
    if (i < warp) at += counts[i];
    total += counts[i];
  }
  if (total > kInt8FewColumns) return total;
  for (int i = begin; i < end; ++i) {
    for (uint32_t word = mask[i]; word != 0; word &= word - 1) {
      columns[at++] = i * 32 + __ffs(word) - 1;
    }
  }
  return total;
}

// Lists the columns that `is_set` names by column % 32 and then ascending: a lane looks at its own
// columns, each warp at a share of them.
template <typename IsSet>
__device__ void ListByLane(int cols, const IsSet& is_set, int32_t* columns, int32_t* starts) {
  __shared__ int counts[kInt8ListWarps][32];
  __shared__ int firsts[32];
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int share = ((cols + 31) / 32 + kInt8ListWarps - 1) / kInt8ListWarps * 32;
  const int begin = warp * share + lane;
  const int end = min(cols, (warp + 1) * share);
  int found = 0;
  for (int i = begin; i < end; i += 32) found += is_set(i);
  counts[warp][lane] = found;
  __syncthreads();
  if (warp == 0) {
    int total = 0;
    for (int i = 0; i < kInt8ListWarps; ++i) total += counts[i][lane];
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

// A token's outliers as threads find them, and then in ascending order. A block of threads.
struct Int8TokenList {
  int count;  // also of those that are too many
  uint32_t outliers[kInt8TokenOutliers];

  __device__ void Add(int column, half value) {
    const int at = atomicAdd(&count, 1);
    if (at < kInt8TokenOutliers) outliers[at] = PackOutlier(column, value);
  }
  // to[i * stride] = the i-th.
  __device__ void Write(int stride, uint32_t* to) const {
    if (count > kInt8TokenOutliers) return;
    for (int i = threadIdx.x; i < count; i += kInt8ListThreads) {
      int before = 0;
      for (int j = 0; j < count; ++j) {
        before += OutlierColumn(outliers[j]) < OutlierColumn(outliers[i]);
      }
      to[(int64_t)before * stride] = outliers[i];
    }
  }
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_INT8_LISTS_CUH_
