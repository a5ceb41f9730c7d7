#ifndef GANTRY_KERNELS_CPU_PANEL_MATRIX_H_
#define GANTRY_KERNELS_CPU_PANEL_MATRIX_H_

#include <algorithm>
#include <cstdint>

#include "kernels/backend.h"
#include "kernels/cpu/isa_kernels.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/host_memory.h"

namespace gantry {

// Weights that are multiplied as floats, whatever they are stored in: panels of 32 rows, [columns,
// 32] each, the last one filled up with rows that mean nothing. A panel is read from front to back,
// one output feature a lane.
class PanelMatrix : public Matrix {
 public:
  // Columns [first, first + depth) of a panel as floats, [depth, 32]: in place, or in `scratch`,
  // which has room for them.
  virtual const float* Columns(const Isa& isa, int64_t panel, int64_t first, int64_t depth,
                               float* scratch) const = 0;
  // sums[32] = those columns times x[depth], added up in tile's order.
  virtual void MultiplyRow(const Isa& isa, int64_t panel, int64_t first, int64_t depth,
                           const float* x, float* sums) const = 0;
  // What activations, bias and result are rounded to.
  virtual Rounding rounding() const { return Rounding::kNone; }

 protected:
  using Matrix::Matrix;
};

inline int64_t CountPanels(int64_t rows) { return rows / kPanel + (rows % kPanel != 0); }

// The system finds and clears pages when they are first written, which on a virtual machine may
// take longer than all the rest of loading: all threads do it.
inline void TouchPages(const HostMemory& memory, ThreadPool* pool) {
  constexpr size_t kPiece = size_t{2} << 20;
  constexpr size_t kPage = 4096;
  volatile char* data = static_cast<char*>(memory.data());
  pool->ParallelFor((memory.bytes() + kPiece - 1) / kPiece, 1,
                    [&](int64_t begin, int64_t end, int) {
                      const size_t last = std::min(memory.bytes(), end * kPiece);
                      for (size_t at = begin * kPiece; at < last; at += kPage) data[at] = 0;
                    });
}

// Calls body(i) for i in [0, count) on all threads.
inline auto ForEachOn(ThreadPool* pool) {
  return [pool](int64_t count, absl::FunctionRef<void(int64_t)> body) {
    pool->ParallelFor(count, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) body(i);
    });
  };
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_PANEL_MATRIX_H_
