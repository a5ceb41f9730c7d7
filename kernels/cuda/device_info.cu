#include "kernels/cuda/device_info.h"

#include <algorithm>

namespace gantry {
namespace {

constexpr int kThreads = 512;
constexpr int kBlocksPerMultiprocessor = 16;
constexpr int kPasses = 6;

__global__ void ReadAll(const uint4* from, size_t count, uint4* never) {
  uint4 sum = make_uint4(0, 0, 0, 0);
  for (size_t i = blockIdx.x * (size_t)kThreads + threadIdx.x; i < count;
       i += (size_t)gridDim.x * kThreads) {
    const uint4 v = from[i];
    sum.x ^= v.x;
    sum.y ^= v.y;
    sum.z ^= v.z;
    sum.w ^= v.w;
  }
  // The buffer holds one value, which is not this one: so that the loop is not optimised away.
  if (sum.x == 0x12345678u) *never = sum;
}

}  // namespace

cudaError_t MeasureCudaReadBandwidth(size_t bytes, double* bytes_per_s) {
  int device = 0;
  int multiprocessors = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
  }
  uint4* data = nullptr;
  if (error == cudaSuccess) error = cudaMalloc(&data, bytes);
  if (error != cudaSuccess) return error;
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  error = cudaEventCreate(&begin);
  if (error == cudaSuccess) error = cudaEventCreate(&end);
  if (error == cudaSuccess) error = cudaMemset(data, 1, bytes);
  *bytes_per_s = 0;
  for (int pass = 0; error == cudaSuccess && pass < kPasses; ++pass) {
    cudaEventRecord(begin);
    ReadAll<<<multiprocessors * kBlocksPerMultiprocessor, kThreads>>>(data, bytes / sizeof(uint4),
                                                                      data);
    cudaEventRecord(end);
    error = cudaEventSynchronize(end);
    float ms = 0;
    if (error == cudaSuccess) error = cudaEventElapsedTime(&ms, begin, end);
    if (error == cudaSuccess && ms > 0) *bytes_per_s = std::max(*bytes_per_s, bytes / (ms * 1e-3));
  }
  if (begin != nullptr) cudaEventDestroy(begin);
  if (end != nullptr) cudaEventDestroy(end);
  cudaFree(data);
  return error == cudaSuccess ? cudaGetLastError() : error;
}

}  // namespace gantry
