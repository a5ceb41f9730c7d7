#include "kernels/host_memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"

namespace gantry {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

size_t RoundUp(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

void* Map(size_t bytes) {
  void* data =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, /*fd=*/-1, 0);
  return data == MAP_FAILED ? nullptr : data;
}

// Maps `bytes` starting at a huge page: maps one page more and gives the rest back.
void* MapHuge(size_t bytes) {
  char* data = static_cast<char*>(Map(bytes + kHugePage));
  if (data == nullptr) return nullptr;
  const size_t head = -reinterpret_cast<uintptr_t>(data) % kHugePage;
  if (head > 0) munmap(data, head);
  munmap(data + head + bytes, kHugePage - head);
  madvise(data + head, bytes, MADV_HUGEPAGE);
  return data + head;
}

constexpr size_t kPage = 4096;

size_t MappedBytes(size_t bytes) { return RoundUp(bytes, kPage); }

}  // namespace

absl::StatusOr<HostMemory> HostMemory::Allocate(size_t bytes) {
  HostMemory memory;
  if (bytes == 0) return memory;
  if (bytes <= std::numeric_limits<size_t>::max() / 2) {
    const size_t mapped = MappedBytes(bytes);
    memory.data_ = bytes >= kHugePage ? MapHuge(mapped) : Map(mapped);
  }
  if (memory.data_ == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the system has no ", FormatBytes(bytes), " of memory left"));
  }
  memory.bytes_ = bytes;
  return memory;
}

HostMemory::HostMemory(HostMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

HostMemory& HostMemory::operator=(HostMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

HostMemory::~HostMemory() {
  if (data_ != nullptr) munmap(data_, MappedBytes(bytes_));
}

}  // namespace gantry
