#include "kernels/cpu/isa_kernels.h"

#if defined(__AVX512F__)

#include <immintrin.h>

namespace gantry {
namespace {

using V = __m512;

inline V Load(const float* p) { return _mm512_loadu_ps(p); }
inline void Store(float* p, V x) { _mm512_storeu_ps(p, x); }
inline V Set(float x) { return _mm512_set1_ps(x); }
inline V Add(V a, V b) { return _mm512_add_ps(a, b); }
inline V Sub(V a, V b) { return _mm512_sub_ps(a, b); }
inline V Mul(V a, V b) { return _mm512_mul_ps(a, b); }
inline V Div(V a, V b) { return _mm512_div_ps(a, b); }
inline V Fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
// Max and Min give b when either is NaN.
inline V Max(V a, V b) { return _mm512_max_ps(a, b); }
inline V Min(V a, V b) { return _mm512_min_ps(a, b); }
// y, or 0 where x < limit.
inline V ZeroBelow(V x, V limit, V y) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), y);
}
// x * 2^n for the n in the low bits of `shifted`.
inline V ScaleByPowerOfTwo(V x, V shifted) {
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x),
                                              _mm512_slli_epi32(_mm512_castps_si512(shifted), 23)));
}

#include "kernels/cpu/isa_kernels.inc"

using TileFunction = void (*)(int64_t, const float*, int64_t, const float*, int64_t, float*,
                              int64_t, bool);
// By rows: 12 of two registers are 24 sums, two columns and a broadcast of the 32 registers.
template <int kVectors, bool kRowMajor>
constexpr TileFunction kTiles[] = {
    TileOf<1, kVectors, kRowMajor>,  TileOf<2, kVectors, kRowMajor>,
    TileOf<3, kVectors, kRowMajor>,  TileOf<4, kVectors, kRowMajor>,
    TileOf<5, kVectors, kRowMajor>,  TileOf<6, kVectors, kRowMajor>,
    TileOf<7, kVectors, kRowMajor>,  TileOf<8, kVectors, kRowMajor>,
    TileOf<9, kVectors, kRowMajor>,  TileOf<10, kVectors, kRowMajor>,
    TileOf<11, kVectors, kRowMajor>, TileOf<12, kVectors, kRowMajor>};

void Tile(int rows, int width, int64_t depth, const float* a, const float* b, int64_t ldb, float* c,
          int64_t ldc, bool add) {
  const TileFunction* tiles = width == kLanes ? kTiles<1, false> : kTiles<2, false>;
  tiles[rows - 1](depth, a, 0, b, ldb, c, ldc, add);
}

void RowTile(int rows, int width, int64_t depth, const float* a, int64_t lda, const float* b,
             int64_t ldb, float* c, int64_t ldc, bool add) {
  const TileFunction* tiles = width == kLanes ? kTiles<1, true> : kTiles<2, true>;
  tiles[rows - 1](depth, a, lda, b, ldb, c, ldc, add);
}

constexpr Isa kIsa = {"avx512", 12, Tile, RowTile, RmsNorm, Softmax, SiluGate, Sum};

}  // namespace

const Isa* Avx512Isa() { return &kIsa; }

}  // namespace gantry

#else

namespace gantry {

const Isa* Avx512Isa() { return nullptr; }

}  // namespace gantry

#endif
