#ifndef GANTRY_KERNELS_CUDA_EPILOGUE_CUH_
#define GANTRY_KERNELS_CUDA_EPILOGUE_CUH_

#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/product.h"

namespace gantry {

__device__ __forceinline__ float Activate(CudaEpilogue epilogue, float x) {
  switch (epilogue) {
    case CudaEpilogue::kSiluGate:
      return x / (1.0f + __expf(-x));
    case CudaEpilogue::kGeluTanhGate:
      return 0.5f * x * (1.0f + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
    case CudaEpilogue::kGeluGate:
      return 0.5f * x * (1.0f + erff(x * 0.7071067811865476f));
    default:
      return x;
  }
}

// Both are rounded to the activation type where transformers rounds them.
template <typename T>
__device__ __forceinline__ T GateElement(CudaEpilogue epilogue, float gate, float up) {
  return FromFloat<T>(Round<T>(Activate(epilogue, Round<T>(gate))) * Round<T>(up));
}

// Writes one element of a product that has no gate.
template <typename T>
__device__ __forceinline__ void StoreElement(const CudaProduct& p, int64_t at, float value) {
  if (p.float_out) {
    static_cast<float*>(p.out)[at] = value;
    return;
  }
  T* out = static_cast<T*>(p.out) + at;
  *out = p.epilogue == CudaEpilogue::kAddTo ? FromFloat<T>(ToFloat(*out) + Round<T>(value))
                                            : FromFloat<T>(value);
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_EPILOGUE_CUH_
