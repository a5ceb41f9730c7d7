#ifndef GANTRY_TESTS_KERNELS_TOLERANCE_H_
#define GANTRY_TESTS_KERNELS_TOLERANCE_H_

#include <string>

#include "base/dtype.h"

namespace gantry {

// Largest relative error ||a - b|| / ||b|| of one op against the reference backend. The one table
// of the kernel tests; 0: the backend does not have the scheme. `compute` is the type that 4-bit
// products are rounded to: where sums lie close to a tie, they are a unit of it apart.
inline double Tolerance(const std::string& backend, Scheme scheme, DType compute = DType::kF32) {
  struct Row {
    const char* backend;
    Scheme scheme;
    DType compute;
    double error;
  };
  constexpr Row kTable[] = {
      {"cpu-avx512", Scheme::kFp32, DType::kF32, 5e-6},
      {"cpu-avx512", Scheme::kFp16, DType::kF32, 5e-6},
      {"cpu-avx512", Scheme::kBf16, DType::kF32, 5e-6},
      {"cpu-avx512", Scheme::kInt8, DType::kF32, 1e-3},
      {"cpu-avx512", Scheme::kNf4, DType::kF32, 5e-6},
      {"cpu-avx512", Scheme::kNf4, DType::kF16, 1e-3},
      {"cpu-avx512", Scheme::kNf4, DType::kBF16, 4e-3},
      {"cpu-avx512", Scheme::kFp4, DType::kF32, 5e-6},
      {"cpu-avx512", Scheme::kFp4, DType::kF16, 1e-3},
      {"cpu-avx512", Scheme::kFp4, DType::kBF16, 4e-3},
      {"cpu-avx2", Scheme::kFp32, DType::kF32, 5e-6},
      {"cpu-avx2", Scheme::kFp16, DType::kF32, 5e-6},
      {"cpu-avx2", Scheme::kBf16, DType::kF32, 5e-6},
      {"cpu-avx2", Scheme::kInt8, DType::kF32, 1e-3},
      {"cpu-avx2", Scheme::kNf4, DType::kF32, 5e-6},
      {"cpu-avx2", Scheme::kNf4, DType::kF16, 1e-3},
      {"cpu-avx2", Scheme::kNf4, DType::kBF16, 4e-3},
      {"cpu-avx2", Scheme::kFp4, DType::kF32, 5e-6},
      {"cpu-avx2", Scheme::kFp4, DType::kF16, 1e-3},
      {"cpu-avx2", Scheme::kFp4, DType::kBF16, 4e-3},
      {"cpu-portable", Scheme::kFp32, DType::kF32, 5e-6},
      {"cpu-portable", Scheme::kFp16, DType::kF32, 5e-6},
      {"cpu-portable", Scheme::kBf16, DType::kF32, 5e-6},
      {"cpu-portable", Scheme::kInt8, DType::kF32, 1e-3},
      {"cpu-portable", Scheme::kNf4, DType::kF32, 5e-6},
      {"cpu-portable", Scheme::kNf4, DType::kF16, 1e-3},
      {"cpu-portable", Scheme::kNf4, DType::kBF16, 4e-3},
      {"cpu-portable", Scheme::kFp4, DType::kF32, 5e-6},
      {"cpu-portable", Scheme::kFp4, DType::kF16, 1e-3},
      {"cpu-portable", Scheme::kFp4, DType::kBF16, 4e-3},
  };
  for (const Row& row : kTable) {
    if (backend == row.backend && scheme == row.scheme && compute == row.compute) return row.error;
  }
  return 0;
}

// The same for a GPU, where the activation type decides most: `coarsest` is it, or the compute type
// when activations are float32.
inline double CudaTolerance(Scheme scheme, DType activations, DType coarsest) {
  if (scheme == Scheme::kInt8) return activations == DType::kBF16 ? 1e-2 : 2e-3;
  if (coarsest == DType::kBF16 || scheme == Scheme::kBf16) return 1e-2;
  if (coarsest == DType::kF16 || scheme == Scheme::kFp16) return 2e-3;
  return 1e-5;
}

}  // namespace gantry

#endif  // GANTRY_TESTS_KERNELS_TOLERANCE_H_
