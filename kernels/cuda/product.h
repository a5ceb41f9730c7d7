#ifndef GANTRY_KERNELS_CUDA_PRODUCT_H_
#define GANTRY_KERNELS_CUDA_PRODUCT_H_

#include "kernels/cuda/step.h"

namespace gantry {

// What a kernel's launch depends on.
struct CudaDevice {
  int multiprocessors = 0;
  int compute_capability = 0;  // 10 * major + minor
  int shared_bytes = 0;        // that a block may opt in to: 99 KiB to 227 KiB
};

// What follows a product; LinearArgs::Epilogue.
enum class CudaEpilogue : int { kNone, kAddTo, kSiluGate, kGeluTanhGate, kGeluGate };
constexpr bool IsGate(CudaEpilogue epilogue) { return epilogue >= CudaEpilogue::kSiluGate; }

// out = epilogue(norm(x) W^T + bias) as LinearArgs says, but for W, which each kernel has in its
// own layout. Device pointers.
struct CudaProduct {
  CudaType type = CudaType::kBFloat16;  // of x, and of out unless float_out
  const void* x = nullptr;              // [tokens, cols]
  const float* norm_weight = nullptr;   // [cols] or null
  float norm_eps = 0;
  const float* bias = nullptr;  // [rows] or null
  CudaEpilogue epilogue = CudaEpilogue::kNone;
  void* out = nullptr;  // [tokens, rows], or [tokens, rows / 2] of a gate
  bool float_out = false;
  int tokens = 0;
  int rows = 0;
  int cols = 0;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_PRODUCT_H_
