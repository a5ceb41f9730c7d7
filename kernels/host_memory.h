#ifndef GANTRY_KERNELS_HOST_MEMORY_H_
#define GANTRY_KERNELS_HOST_MEMORY_H_

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "kernels/backend.h"

namespace gantry {

// Zeroed memory of this process, 64-byte aligned. Pieces of 2 MiB and more start on a huge page and
// ask for huge pages: a stream of weights misses the TLB every 4 KiB without.
class HostMemory {
 public:
  HostMemory() = default;
  // RESOURCE_EXHAUSTED naming the size.
  static absl::StatusOr<HostMemory> Allocate(size_t bytes);
  HostMemory(HostMemory&& other) noexcept;
  HostMemory& operator=(HostMemory&& other) noexcept;
  ~HostMemory();

  void* data() const { return data_; }
  float* floats() const { return static_cast<float*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

class HostBuffer : public Buffer {
 public:
  explicit HostBuffer(HostMemory memory)
      : Buffer(memory.data(), memory.bytes()), memory_(std::move(memory)) {}

 private:
  HostMemory memory_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_HOST_MEMORY_H_
