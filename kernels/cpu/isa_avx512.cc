#include "kernels/cpu/isa_kernels.h"

#if defined(__AVX512F__)

#include <immintrin.h>

#include "base/quantisation_constants.h"

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

// 16 floats for the 16 codes of 4 bits.
using Book = __m512;
inline Book LoadBook(const float* p) { return _mm512_loadu_ps(p); }
// The values of the low and of the high halves of 16 bytes. Of an index the low 4 bits count.
inline void LookUp(Book book, const uint8_t* codes, V* low, V* high) {
  const __m512i pairs =
      _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
  *low = _mm512_permutexvar_ps(pairs, book);
  *high = _mm512_permutexvar_ps(_mm512_srli_epi32(pairs, 4), book);
}
inline V LoadF16(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline V LoadBf16(const uint16_t* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
inline V RoundF16(V x) { return _mm512_cvtph_ps(_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT)); }
inline V RoundFiniteBf16(V x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  return _mm512_castsi512_ps(_mm512_and_si512(sum, _mm512_set1_epi32(-65536)));
}
inline V RoundBf16(V x) {
  return _mm512_mask_mov_ps(RoundFiniteBf16(x), _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}

#include "kernels/cpu/isa_kernels.inc"
#include "kernels/cpu/isa_schemes.inc"

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

// The products of bytes come from another file: not every CPU with AVX-512 has those instructions.
constexpr Isa kIsa = [] {
  Isa isa = kLoops;
  isa.name = "avx512";
  isa.tile_rows = 12;
  isa.tile = Tile;
  isa.row_tile = RowTile;
  return isa;
}();

}  // namespace

const Isa* Avx512Isa() { return &kIsa; }

}  // namespace gantry

#else

namespace gantry {

const Isa* Avx512Isa() { return nullptr; }

}  // namespace gantry

#endif
