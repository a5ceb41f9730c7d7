#ifndef GANTRY_KERNELS_CUDA_GATE_CUH_
#define GANTRY_KERNELS_CUDA_GATE_CUH_

#include "kernels/cuda/gate.h"

namespace gantry {

// For a product's epilogue too.
template <GateActivation kActivation>
__device__ __forceinline__ float Activated(float x) {
  if (kActivation == GateActivation::kSilu) return x / (1 + expf(-x));
  if (kActivation == GateActivation::kGelu) return 0.5f * x * (1 + erff(x * 0.70710678f));
  constexpr float kRootTwoOverPi = 0.79788456f;
  return 0.5f * x * (1 + tanhf(kRootTwoOverPi * (x + 0.044715f * x * x * x)));
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_GATE_CUH_
