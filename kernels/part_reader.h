#ifndef GANTRY_KERNELS_PART_READER_H_
#define GANTRY_KERNELS_PART_READER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "kernels/backend.h"

namespace gantry {

// Reads the rows of a source across its parts, widened to float.
class PartReader {
 public:
  // `source` outlives the reader.
  explicit PartReader(const MatrixSource& source) : source_(source) {}
  // Fills out[count, cols] with rows [first, first + count). INVALID_ARGUMENT if the parts do not
  // add up to the source's rows.
  absl::Status Read(int64_t first, int64_t count, float* out);

 private:
  const MatrixSource& source_;
  std::vector<char> raw_;
};

// A backend may count on no more: memory is predicted without knowing the parts.
inline constexpr int64_t kMostParts = 4;

// INVALID_ARGUMENT unless there are at most kMostParts, their rows add up and each can be read as
// the format wants it.
absl::Status CheckParts(const MatrixSource& source);

}  // namespace gantry

#endif  // GANTRY_KERNELS_PART_READER_H_
