#ifndef GANTRY_TESTS_KERNELS_TOLERANCE_H_
#define GANTRY_TESTS_KERNELS_TOLERANCE_H_

#include <string>

#include "base/dtype.h"
#include "base/packed.h"

namespace gantry {

// Largest relative error ||a - b|| / ||b|| of one op against the reference backend. The one table
// of the kernel tests; 0: the backend does not have the scheme. `compute` is the type that 4-bit
// products are rounded to: where sums lie close to a tie, they are a unit of it apart. `norm`: x is
// normalised first; an ulp of the norm then moves an int8 code now and then, by 1/127 of the
// largest, which is 0.7 % of a token with 100 columns.
inline double Tolerance(const std::string& backend, Scheme scheme, DType compute = DType::kF32,
                        bool norm = false) {
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
    if (backend == row.backend && scheme == row.scheme && compute == row.compute) {
      return norm && scheme == Scheme::kInt8 ? 2e-2 : row.error;
    }
  }
  return 0;
}

// The same for a product on a GPU. What decides is the coarsest of the types that numbers are
// rounded to, and of int8 `norm`.
inline double CudaTolerance(Scheme scheme, DType compute, DType activations, bool norm) {
  const auto any = [&](DType dtype, Scheme stored) {
    return activations == dtype || (IsFourBit(scheme) && compute == dtype) || scheme == stored;
  };
  if (scheme == Scheme::kInt8 && norm) return activations == DType::kBF16 ? 4e-2 : 2e-2;
  if (any(DType::kBF16, Scheme::kBf16)) return 1.5e-2;
  if (any(DType::kF16, Scheme::kFp16) || scheme == Scheme::kInt8) return 3e-3;
  return 1e-5;
}

}  // namespace gantry

#endif  // GANTRY_TESTS_KERNELS_TOLERANCE_H_
