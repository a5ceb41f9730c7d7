#include "kernels/cpu/isa_kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include <immintrin.h>

#include "base/quantisation_constants.h"

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

// 16 floats for the 16 codes of 4 bits.
struct Book {
  __m256 low;
  __m256 high;
};
inline Book LoadBook(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
// Of an index the low 4 bits count: three within half a book, then the half.
inline __m256 LookUp(const Book& book, __m256i index) {
  const __m256 half = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(book.low, index),
                          _mm256_permutevar8x32_ps(book.high, index), half);
}
// The values of the low and of the high halves of 16 bytes.
inline void LookUp(const Book& book, const uint8_t* codes, V* low, V* high) {
  const __m256i first =
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes)));
  const __m256i second =
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + 8)));
  *low = {LookUp(book, first), LookUp(book, second)};
  *high = {LookUp(book, _mm256_srli_epi32(first, 4)), LookUp(book, _mm256_srli_epi32(second, 4))};
}
inline __m128i LoadBits(const uint16_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
inline V LoadF16(const uint16_t* p) {
  return {_mm256_cvtph_ps(LoadBits(p)), _mm256_cvtph_ps(LoadBits(p + 8))};
}
inline __m256 WidenBf16(__m128i bits) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
inline V LoadBf16(const uint16_t* p) {
  return {WidenBf16(LoadBits(p)), WidenBf16(LoadBits(p + 8))};
}
inline __m256 RoundF16(__m256 x) {
  return _mm256_cvtph_ps(_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
inline V RoundF16(V x) { return {RoundF16(x.low), RoundF16(x.high)}; }
inline __m256 RoundFiniteBf16(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i sum = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  return _mm256_castsi256_ps(_mm256_and_si256(sum, _mm256_set1_epi32(-65536)));
}
inline V RoundFiniteBf16(V x) { return {RoundFiniteBf16(x.low), RoundFiniteBf16(x.high)}; }
inline __m256 RoundBf16(__m256 x) {
  return _mm256_blendv_ps(RoundFiniteBf16(x), x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}
inline V RoundBf16(V x) { return {RoundBf16(x.low), RoundBf16(x.high)}; }

#include "kernels/cpu/isa_kernels.inc"
#include "kernels/cpu/isa_schemes.inc"

// Bytes widened to 16 bits: a vector holds four rows of four columns, and multiply-add leaves two
// partial sums a row. Half a panel at a time leaves registers for two tokens.
template <int kRows>
void Int8TileOf(int64_t groups, const int8_t* a, int64_t lda, const uint8_t* b, int32_t* c) {
  constexpr int kVectors = 4;
  for (int half = 0; half < 2; ++half) {
    __m256i sum[kRows][kVectors];
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm256_setzero_si256();
    }
    const uint8_t* from = b + half * kLanes * kInt8Group;
    for (int64_t g = 0; g < groups; ++g, from += kPanel * kInt8Group) {
      __m256i token[kRows];
      for (int r = 0; r < kRows; ++r) {
        const __m128i codes = _mm_loadu_si32(a + r * lda + g * kInt8Group);
        token[r] = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(codes));
      }
      for (int v = 0; v < kVectors; ++v) {
        const __m256i weights =
            _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 16 * v)));
        for (int r = 0; r < kRows; ++r) {
          sum[r][v] = _mm256_add_epi32(sum[r][v], _mm256_madd_epi16(weights, token[r]));
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; v += 2) {
        // Pairs added within lanes of 128 bits: rows 0 1 4 5 2 3 6 7.
        const __m256i added = _mm256_hadd_epi32(sum[r][v], sum[r][v + 1]);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(c + r * kPanel + half * kLanes + v * 4),
                            _mm256_permute4x64_epi64(added, 0xd8));
      }
    }
  }
}

void Int8TileRows(int rows, int64_t groups, const int8_t* a, int64_t lda, const uint8_t* b,
                  int32_t* c) {
  (rows == 1 ? Int8TileOf<1> : Int8TileOf<2>)(groups, a, lda, b, c);
}

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

constexpr Isa kIsa = [] {
  Isa isa = kLoops;
  isa.name = "avx2";
  isa.tile_rows = 6;
  isa.tile = Tile;
  isa.row_tile = AnyTile<true>;
  isa.int8_tile = Int8TileRows;
  isa.int8_rows = 2;
  return isa;
}();

}  // namespace

const Isa* Avx2Isa() { return &kIsa; }

}  // namespace gantry

#else

namespace gantry {

const Isa* Avx2Isa() { return nullptr; }

}  // namespace gantry

#endif
