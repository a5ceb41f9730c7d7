#ifndef GANTRY_MODEL_SAFETENSORS_H_
#define GANTRY_MODEL_SAFETENSORS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/dtype.h"
#include "base/file.h"

namespace gantry {

// The format: 8 bytes N, little endian; N bytes of JSON, padded by spaces; the data. See
// https://github.com/huggingface/safetensors#format. The reader accepts what the reference
// implementation accepts and refuses what it refuses, so that a file has one meaning everywhere.

struct SafetensorsEntry {
  std::string name;
  std::string dtype_name;      // "F32", "F8_E4M3"
  std::optional<DType> dtype;  // empty: a type of the format that Gantry has no use for
  std::vector<uint64_t> shape;
  uint64_t begin = 0;  // bytes, from the start of the data
  uint64_t end = 0;
};

// The largest header that is read. Its parsed form takes some ten times its size in memory, for as
// long as it is being checked.
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

// The tensors, in the order of their data. They cover [0, data_bytes) exactly. INVALID_ARGUMENT
// naming the tensor and the offset for a header that breaks a rule; DATA_LOSS when the header is
// right but the data ends early.
absl::StatusOr<std::vector<SafetensorsEntry>> ParseSafetensorsHeader(absl::string_view header,
                                                                     uint64_t data_bytes);

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  uint64_t data_begin = 0;  // offset of the data in the file
  uint64_t hash = 0;        // FNV-1a, 64 bits, of the header's JSON
};
// Reads and checks the header, and nothing else, of a file. Errors begin with its path.
absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(const File& file);

// INVALID_ARGUMENT "FILE: tensor "NAME": TEXT".
absl::Status WrongTensor(const File& file, absl::string_view name, absl::string_view text);

}  // namespace gantry

#endif  // GANTRY_MODEL_SAFETENSORS_H_
