#ifndef GANTRY_TESTS_KERNELS_CUDA_GPU_H_
#define GANTRY_TESTS_KERNELS_CUDA_GPU_H_

#include <cstdlib>

#include "cuda_runtime_api.h"
#include "gtest/gtest.h"

namespace gantry {

inline int CountGpus() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

}  // namespace gantry

// Begins a test that needs so many GPUs: it is skipped where they are missing, and fails there if
// GANTRY_REQUIRE_GPU is set, so that a machine that should have them cannot pass without.
#define GANTRY_NEEDS_GPUS(count)                                                          \
  if (::gantry::CountGpus() < (count)) {                                                  \
    if (std::getenv("GANTRY_REQUIRE_GPU") != nullptr && ::gantry::CountGpus() == 0) {     \
      FAIL() << "GANTRY_REQUIRE_GPU is set, and CUDA finds no GPU: "                      \
             << cudaGetErrorString(cudaGetLastError());                                   \
    }                                                                                     \
    GTEST_SKIP() << "needs " << (count) << " GPUs, CUDA finds " << ::gantry::CountGpus(); \
  }                                                                                       \
  static_assert(true, "")

#endif  // GANTRY_TESTS_KERNELS_CUDA_GPU_H_
