#ifndef GANTRY_KERNELS_CUDA_CUBLAS_LIBRARY_H_
#define GANTRY_KERNELS_CUDA_CUBLAS_LIBRARY_H_

#include "absl/status/status.h"

namespace gantry {

// Opens cuBLAS, whose functions may be called after that: those that cublas_library.cc lists. It is
// not linked, since a worker on a CPU has to start where there is none. FAILED_PRECONDITION when it
// is not found, or lacks one of the functions. Thread-safe.
absl::Status OpenCublas();

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_CUBLAS_LIBRARY_H_
