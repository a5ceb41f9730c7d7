#include "kernels/cpu/memory_bandwidth.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/status_macros.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/host_memory.h"

namespace gantry {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kPiece = size_t{1} << 20;

// Adds up 64-bit words; what the sum is does not matter, only that all are read.
uint64_t ReadAll(const uint64_t* words, size_t count) {
  constexpr size_t kAhead = 256;  // words: 2 KiB
  uint64_t sums[8] = {};
  for (size_t i = 0; i < count; i += 8) {
    __builtin_prefetch(words + i + kAhead);
    for (size_t j = 0; j < 8; ++j) sums[j] += words[i + j];
  }
  uint64_t sum = 0;
  for (uint64_t part : sums) sum += part;
  return sum;
}

size_t BufferBytes() {
  const long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
  const size_t wanted = std::max<size_t>(size_t{256} << 20, l3 > 0 ? size_t{8} * l3 : 0);
  return std::min<size_t>(wanted, size_t{1} << 30) / kPiece * kPiece;
}

}  // namespace

absl::StatusOr<double> MeasureReadBandwidth(int threads) {
  const size_t bytes = BufferBytes();
  GANTRY_ASSIGN_OR_RETURN(HostMemory memory, HostMemory::Allocate(bytes));
  char* data = static_cast<char*>(memory.data());
  ThreadPool pool(std::max(1, threads));
  const int64_t pieces = bytes / kPiece;
  // Untouched pages are all the same page of zeros.
  pool.ParallelFor(pieces, 1, [&](int64_t begin, int64_t end, int) {
    std::fill(data + begin * kPiece, data + end * kPiece, 1);
  });
  std::atomic<uint64_t> total{0};
  double best = 0;
  const Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(200);
  do {
    const Clock::time_point start = Clock::now();
    pool.ParallelFor(pieces, 1, [&](int64_t begin, int64_t end, int) {
      total += ReadAll(reinterpret_cast<const uint64_t*>(data + begin * kPiece),
                       (end - begin) * kPiece / sizeof(uint64_t));
    });
    const std::chrono::duration<double> seconds = Clock::now() - start;
    best = std::max(best, bytes / seconds.count());
  } while (Clock::now() < deadline);
  // A sum of ones is never 0: the compiler must not drop the reads.
  return total.load() == 0 ? 0 : best;
}

}  // namespace gantry
