#include "kernels/cpu/memory_bandwidth.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/status_macros.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/host_memory.h"

namespace gantry {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kPiece = int64_t{1} << 18;  // floats
constexpr size_t kPieceBytes = kPiece * sizeof(float);

size_t BufferBytes() {
  const long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
  const size_t wanted = std::max<size_t>(size_t{256} << 20, l3 > 0 ? size_t{8} * l3 : 0);
  return std::min<size_t>(wanted, size_t{1} << 30) / kPieceBytes * kPieceBytes;
}

}  // namespace

absl::StatusOr<double> MeasureReadBandwidth(int threads) {
  const size_t bytes = BufferBytes();
  GANTRY_ASSIGN_OR_RETURN(const Isa* isa, ChooseIsa(""));
  GANTRY_ASSIGN_OR_RETURN(HostMemory memory, HostMemory::Allocate(bytes));
  float* data = memory.floats();
  ThreadPool pool(std::max(1, threads));
  ThreadPool all_cores(AvailableCores());
  const int64_t pieces = bytes / kPieceBytes;
  // Untouched pages are all the same page of zeros.
  all_cores.ParallelFor(pieces, 1, [&](int64_t begin, int64_t end, int) {
    std::fill(data + begin * kPiece, data + end * kPiece, 1.0f);
  });
  std::atomic<int64_t> read{0};
  double best = 0;
  const Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(200);
  do {
    const Clock::time_point start = Clock::now();
    pool.ParallelFor(pieces, 1, [&](int64_t begin, int64_t end, int) {
      if (isa->sum(data + begin * kPiece, (end - begin) * kPiece) > 0) ++read;
    });
    const std::chrono::duration<double> seconds = Clock::now() - start;
    best = std::max(best, bytes / seconds.count());
  } while (Clock::now() < deadline);
  // Asked so that the compiler cannot drop the reads: a sum of ones is above 0.
  return read.load() > 0 ? best : 0;
}

}  // namespace gantry
