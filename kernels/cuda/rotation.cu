#include "kernels/cuda/rotation.h"

#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

constexpr int kThreads = 128;

__global__ void RotationKernel(DeviceStep step) {
  const int at = blockIdx.x * kThreads + threadIdx.x;
  const int row = at / step.half_rotary;
  const int i = at - row * step.half_rotary;
  GridDependencyWait();
  if (row >= step.rows) return;
  const int rope = step.slice_ropes[step.row_slices[row]];
  // Rounded to float as the model was trained; what follows is accurate to an ulp or two.
  const float angle = __fmul_rn(static_cast<float>(step.positions[row]),
                                step.inv_freq[rope * step.half_rotary + i]);
  float sine;
  float cosine;
  sincosf(angle, &sine, &cosine);
  float* out = step.rotation + static_cast<int64_t>(row) * 2 * step.half_rotary;
  out[i] = cosine * step.rope_scales[rope];
  out[step.half_rotary + i] = sine * step.rope_scales[rope];
}

}  // namespace

cudaError_t LaunchRotation(const DeviceStep& step, cudaStream_t stream) {
  const int count = step.rows * step.half_rotary;
  if (count == 0) return cudaSuccess;
  return LaunchPdl(RotationKernel, (count + kThreads - 1) / kThreads, kThreads, 0, stream, step);
}

}  // namespace gantry
