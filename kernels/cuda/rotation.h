#ifndef GANTRY_KERNELS_CUDA_ROTATION_H_
#define GANTRY_KERNELS_CUDA_ROTATION_H_

#include <cuda_runtime.h>

#include "kernels/cuda/step.h"

namespace gantry {

// Fills step.rotation, once a step: for row r and its slice's rope, cosines and sines of
// float(position) * inv_freq, times the rope's scale. Beyond a rope's own half they are those of
// angle 0 and mean nothing.
cudaError_t LaunchRotation(const DeviceStep& step, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_ROTATION_H_
