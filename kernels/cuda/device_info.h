#ifndef GANTRY_KERNELS_CUDA_DEVICE_INFO_H_
#define GANTRY_KERNELS_CUDA_DEVICE_INFO_H_

#include <cuda_runtime.h>

namespace gantry {

// Bytes a second that a kernel reads from the current device's memory, the best of some passes over
// `bytes`, which no cache should hold. Takes that much memory for some milliseconds.
cudaError_t MeasureCudaReadBandwidth(size_t bytes, double* bytes_per_s);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_DEVICE_INFO_H_
