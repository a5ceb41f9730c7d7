#ifndef GANTRY_KERNELS_CPU_ISA_KERNELS_H_
#define GANTRY_KERNELS_CPU_ISA_KERNELS_H_

#include <cstdint>

// Included by the files that are compiled for one instruction set: no inline functions here.

namespace gantry {

// Columns of a packed weight that lie side by side.
inline constexpr int64_t kPanel = 32;
// Logical lanes: on every CPU a reduction adds up 16 partial sums, so that the width of its
// registers does not show in the result.
inline constexpr int64_t kLanes = 16;
// No instruction set takes more rows at a time.
inline constexpr int kMostTileRows = 16;
// Products over more elements than this are summed in blocks: the order depends on the length
// alone and rounding errors grow with the block.
inline constexpr int64_t kDepth = 256;

// The inner loops for one instruction set. AVX-512 and AVX2 give equal bits; portable has no fused
// multiply-add and rounds more often.
struct Isa {
  const char* name;
  int tile_rows;  // most rows that tile() takes

  // c[rows, width] = a b, or += if `add`; one sum an element in the order of k. a: [rows, depth],
  // tile() takes it transposed, [depth, rows], and row_tile() with rows lda apart; b: [depth,
  // width] with rows ldb apart; c: rows ldc apart. Requires rows in [1, tile_rows] and width 16
  // or 32.
  void (*tile)(int rows, int width, int64_t depth, const float* a, const float* b, int64_t ldb,
               float* c, int64_t ldc, bool add);
  void (*row_tile)(int rows, int width, int64_t depth, const float* a, int64_t lda, const float* b,
                   int64_t ldb, float* c, int64_t ldc, bool add);
  // out = x * rsqrt(mean(x^2) + eps) * weight, each [n].
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t n, float* out);
  // scores[n] becomes exp(scale * score - max) within [begin, end) and 0 elsewhere; returns their
  // sum. Requires n to be a multiple of 16 and begin < end <= n.
  float (*softmax)(float* scores, int64_t n, int64_t begin, int64_t end, float scale);
  // gate[n] = silu(gate) * up. Requires n to be a multiple of 16.
  void (*silu_gate)(float* gate, const float* up, int64_t n);
  // Sum of x[n] as fast as memory delivers it. Requires n to be a multiple of 128.
  float (*sum)(const float* x, int64_t n);
};

// Null when the compiler has no such instructions. Whether the CPU has them is the caller's matter.
const Isa* Avx512Isa();
const Isa* Avx2Isa();
const Isa* PortableIsa();

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_ISA_KERNELS_H_
