#ifndef GANTRY_WORKER_MODULE_FORMAT_H_
#define GANTRY_WORKER_MODULE_FORMAT_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/dtype.h"
#include "kernels/backend.h"
#include "model/modules.h"
#include "proto/stage.pb.h"

namespace gantry {

// How the matrices of a module are stored. Those that it does not have keep the default.
struct ModuleFormat {
  MatrixFormat qkv;
  MatrixFormat o;
  MatrixFormat gate_up;
  MatrixFormat down;
  MatrixFormat matrix;  // of the embedding and of lm_head
  bool operator==(const ModuleFormat&) const = default;
};

// The matrices that the module has, with their formats. Both arguments outlive the result.
std::vector<std::pair<const LinearSpec*, const MatrixFormat*>> ModuleMatrices(
    const ModuleSpec& spec, const ModuleFormat& format);

// v1.Numerics, checked.
struct Numerics {
  ComputeOptions compute;  // of a device that has other types than float32
  DType four_bit_compute_dtype = DType::kF32;
  float int8_threshold = 6;
  bool outliers_per_batch = false;
};
// The defaults if the request has none. INVALID_ARGUMENT "numerics.FIELD: expected ..., found ...".
absl::StatusOr<Numerics> ParseNumerics(const v1::LoadRequest& request);

// F32 for ""; INVALID_ARGUMENT "FIELD: ..." for what is not F32, BF16 or F16.
absl::StatusOr<DType> ParseFloatType(absl::string_view field, const std::string& name);

// What `assigned` says of each matrix of `spec`. INVALID_ARGUMENT "stages.modules.FIELD of NAME:
// ..." for schemes, tensors and block sizes that are not known, and for parts of one product that
// are stored differently.
absl::StatusOr<ModuleFormat> ParseModuleFormat(const v1::ModuleAssignment& assigned,
                                               const ModuleSpec& spec, const Numerics& numerics);

// "nf4 in blocks of 64 with double quantisation".
std::string Describe(const TensorScheme& scheme);

}  // namespace gantry

#endif  // GANTRY_WORKER_MODULE_FORMAT_H_
