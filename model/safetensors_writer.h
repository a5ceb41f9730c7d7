#ifndef GANTRY_MODEL_SAFETENSORS_WRITER_H_
#define GANTRY_MODEL_SAFETENSORS_WRITER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/dtype.h"
#include "base/file.h"

namespace gantry {

struct TensorToWrite {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;
};

// Bytes of the tensor's data. Requires a product that fits.
uint64_t DataBytes(const TensorToWrite& tensor);

// A safetensors file being written, byte for byte as the reference implementation would: tensors by
// type, the largest alignment first, then by name, and a header padded with spaces to 8 bytes.
class SafetensorsWriter {
 public:
  // Creates `path` and writes the header. ALREADY_EXISTS if there is such a file, INVALID_ARGUMENT
  // for a tensor named twice.
  static absl::StatusOr<std::unique_ptr<SafetensorsWriter>> Create(
      const std::string& path, std::vector<TensorToWrite> tensors);

  // All data of one tensor, once each, in any order and from any thread. INVALID_ARGUMENT, naming
  // the tensor, for one that is not expected or of another size.
  absl::Status Write(absl::string_view name, absl::Span<const char> data);
  // After all Writes. INTERNAL, naming a tensor, if one was not written.
  absl::Status Finish();

 private:
  struct Place {
    uint64_t offset = 0;
    uint64_t bytes = 0;
    bool written = false;
  };
  explicit SafetensorsWriter(OutputFile file) : file_(std::move(file)) {}

  OutputFile file_;
  absl::Mutex mutex_;
  std::map<std::string, Place, std::less<>> places_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry

#endif  // GANTRY_MODEL_SAFETENSORS_WRITER_H_
