#ifndef GANTRY_MODEL_QUANTISED_TENSOR_H_
#define GANTRY_MODEL_QUANTISED_TENSOR_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/file.h"
#include "base/packed.h"
#include "model/modules.h"
#include "model/quant_state.h"
#include "model/safetensors.h"

namespace gantry {

// One tensor in the files of a checkpoint.
struct StoredTensor {
  int file = 0;         // place in the checkpoint's files
  uint64_t offset = 0;  // of its data in the file
  SafetensorsEntry entry;
  uint64_t bytes() const { return entry.end - entry.begin; }
};
using StoredTensors = std::map<std::string, StoredTensor, std::less<>>;  // by name

// A weight P that bitsandbytes has quantised, with the tensors beside it (nn/modules.py and
// functional.py, QuantState). 4-bit: P's bytes are the codes whatever their type,
// P.absmax, P.quant_map, P.nested_absmax, P.nested_quant_map, P.quant_state.bitsandbytes__TYPE.
// 8-bit: P, int8, and, with "SCB" and "weight_format" in place of P's last part, the absmax of each
// row and the layout. Errors say "FILE: tensor "NAME": ...".
class QuantisedTensor {
 public:
  // Nothing if `weight` is stored plainly. Requires that `all` has it. INVALID_ARGUMENT for parts
  // that are missing, unknown or of wrong type or size.
  static absl::StatusOr<std::optional<QuantisedTensor>> Find(const TensorSpec& weight,
                                                             const StoredTensors& all,
                                                             absl::Span<const File> files);

  const TensorScheme& scheme() const { return state_.scheme; }
  // Element type of dequantised values. 8-bit weights do not say theirs: F32.
  DType dtype() const { return state_.dtype; }
  // In the files, of all parts.
  uint64_t bytes() const { return bytes_; }

  // `files` are those that Find was given. Numbers that are not finite are INVALID_ARGUMENT.
  absl::StatusOr<PackedTensor> Read(absl::Span<const File> files) const;
  // Elements [first, first + count), dequantised. Requires a range within the tensor.
  absl::Status ReadElements(int64_t first, int64_t count, absl::Span<const File> files,
                            float* out) const;

 private:
  absl::Status FindFourBit(const StoredTensor& state, const StoredTensors& all,
                           absl::Span<const File> files);
  absl::Status FindInt8(const StoredTensors& all, absl::Span<const File> files);
  // The part of that name, of that type and number of elements.
  absl::Status FindPart(const std::string& name, DType dtype, int64_t elements,
                        const StoredTensors& all, absl::Span<const File> files, StoredTensor* part);
  absl::Status CheckNames(const StoredTensors& all, absl::Span<const File> files) const;
  // The absmax of blocks [first, first + count), nested statistics undone.
  absl::StatusOr<std::vector<float>> ReadAbsmax(int64_t first, int64_t count,
                                                absl::Span<const File> files) const;

  std::string name_;
  StoredTensor weight_;
  QuantState state_;
  StoredTensor absmax_;  // int8: SCB
  StoredTensor nested_absmax_;
  StoredTensor nested_map_;
  uint64_t bytes_ = 0;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_QUANTISED_TENSOR_H_
