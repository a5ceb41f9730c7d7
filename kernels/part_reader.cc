#include "kernels/part_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace gantry {

absl::Status CheckParts(const MatrixSource& source) {
  int64_t rows = 0;
  if (source.parts.size() > kMostParts) {
    return absl::InvalidArgumentError(absl::StrCat("a matrix of ", source.parts.size(),
                                                   " parts; at most ", kMostParts, " are taken"));
  }
  const bool may_be_packed = IsQuantised(source.format.scheme.scheme);
  for (const MatrixPart& part : source.parts) {
    if (part.rows <= 0 || part.rows > source.rows - rows) {
      return absl::InvalidArgumentError(
          absl::StrCat("a part of ", part.rows, " rows after ", rows, " of ", source.rows));
    }
    if (part.read == nullptr && (part.read_packed == nullptr || !may_be_packed)) {
      return absl::InvalidArgumentError(
          absl::StrCat("a part that cannot be read as ", SchemeName(source.format.scheme.scheme)));
    }
    rows += part.rows;
  }
  if (rows == source.rows) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("parts of ", rows, " rows for a matrix of ", source.rows));
}

absl::Status PartReader::Read(int64_t first, int64_t count, float* out) {
  int64_t part_begin = 0;
  for (const MatrixPart& part : source_.parts) {
    const int64_t part_end = part_begin + part.rows;
    const int64_t begin = std::max(first, part_begin);
    const int64_t end = std::min(first + count, part_end);
    if (begin < end) {
      const int64_t elements = (end - begin) * source_.cols;
      float* to = out + (begin - first) * source_.cols;
      if (part.dtype == DType::kF32) {
        GANTRY_RETURN_IF_ERROR(part.read(begin - part_begin, end - begin, to));
      } else {
        raw_.resize(elements * DTypeSize(part.dtype));
        GANTRY_RETURN_IF_ERROR(part.read(begin - part_begin, end - begin, raw_.data()));
        ToFloat(part.dtype, raw_.data(), elements, to);
      }
    }
    part_begin = part_end;
  }
  return absl::OkStatus();
}

}  // namespace gantry
