#ifndef GANTRY_KERNELS_CUDA_GATE_H_
#define GANTRY_KERNELS_CUDA_GATE_H_

#include <cuda_runtime.h>

#include "kernels/cuda/step.h"

namespace gantry {

enum class GateActivation { kSilu, kGeluTanh, kGelu };

// out[r][i] = activation(in[r][i]) * in[r][n + i], computed in fp32 and rounded once.
// in: [rows, 2n] of in_type; out: [rows, n] of out_type; they do not overlap.
cudaError_t LaunchGate(GateActivation activation, CudaType in_type, const void* in, int rows, int n,
                       CudaType out_type, void* out, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_GATE_H_
