#include "kernels/cpu/isa_kernels.h"

#if defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>

namespace gantry {
namespace {

struct V {
  __m256 low;
  __m256 high;
};

inline V Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void Store(float* p, V x) {
  _mm256_storeu_ps(p, x.low);
  _mm256_storeu_ps(p + 8, x.high);
}
inline V Set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline V Add(V a, V b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
inline V Sub(V a, V b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
inline V Mul(V a, V b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
inline V Div(V a, V b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
inline V Fma(V a, V b, V c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
// Max and Min give b when either is NaN.
inline V Max(V a, V b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
inline V Min(V a, V b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
// y, or 0 where x < limit.
inline V ZeroBelow(V x, V limit, V y) {
  return {_mm256_and_ps(_mm256_cmp_ps(x.low, limit.low, _CMP_NLT_UQ), y.low),
          _mm256_and_ps(_mm256_cmp_ps(x.high, limit.high, _CMP_NLT_UQ), y.high)};
}
inline __m256 ScaleByPowerOfTwo(__m256 x, __m256 shifted) {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x),
                                              _mm256_slli_epi32(_mm256_castps_si256(shifted), 23)));
}
// x * 2^n for the n in the low bits of `shifted`.
inline V ScaleByPowerOfTwo(V x, V shifted) {
  return {ScaleByPowerOfTwo(x.low, shifted.low), ScaleByPowerOfTwo(x.high, shifted.high)};
}

#include "kernels/cpu/isa_kernels.inc"

using TileFunction = void (*)(int64_t, const float*, int64_t, const float*, int64_t, float*,
                              int64_t, bool);
// By rows: 6 of two registers are 12 sums, two columns and a broadcast of the 16 registers.
template <bool kRowMajor>
constexpr TileFunction kTiles[] = {TileOf<1, 1, kRowMajor>, TileOf<2, 1, kRowMajor>,
                                   TileOf<3, 1, kRowMajor>, TileOf<4, 1, kRowMajor>,
                                   TileOf<5, 1, kRowMajor>, TileOf<6, 1, kRowMajor>};
// Few rows leave registers for the whole width: memory is then read once, from front to back.
template <bool kRowMajor>
constexpr TileFunction kWideTiles[] = {TileOf<1, 2, kRowMajor>, TileOf<2, 2, kRowMajor>};
constexpr int kWideRows = 2;

#include "kernels/cpu/isa_narrow_tiles.inc"

constexpr Isa kIsa = {"avx2", 6, Tile, AnyTile<true>, RmsNorm, Softmax, SiluGate, Sum};

}  // namespace

const Isa* Avx2Isa() { return &kIsa; }

}  // namespace gantry

#else

namespace gantry {

const Isa* Avx2Isa() { return nullptr; }

}  // namespace gantry

#endif
