#include "kernels/cpu/isa_kernels.h"

#if defined(__AVX512VNNI__)

#include <immintrin.h>

namespace gantry {
namespace {

#define GANTRY_UNROLL _Pragma("GCC unroll 16")

template <int kRows>
void TileOf(int64_t groups, const int8_t* a, int64_t lda, const uint8_t* b, int32_t* c) {
  __m512i sum[kRows][2];
  GANTRY_UNROLL for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
  for (int64_t g = 0; g < groups; ++g) {
    const __m512i low = _mm512_loadu_si512(b);
    const __m512i high = _mm512_loadu_si512(b + 64);
    GANTRY_UNROLL for (int r = 0; r < kRows; ++r) {
      int32_t codes;
      __builtin_memcpy(&codes, a + r * lda, sizeof(codes));
      const __m512i token = _mm512_set1_epi32(codes);
      sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], low, token);
      sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], high, token);
    }
    a += kInt8Group;
    b += kPanel * kInt8Group;
  }
  GANTRY_UNROLL for (int r = 0; r < kRows; ++r) {
    _mm512_storeu_si512(c + r * kPanel, sum[r][0]);
    _mm512_storeu_si512(c + r * kPanel + kLanes, sum[r][1]);
  }
}

#undef GANTRY_UNROLL

// By rows: 12 are 24 sums, two vectors of weights and a broadcast of the 32 registers.
using TileFunction = void (*)(int64_t, const int8_t*, int64_t, const uint8_t*, int32_t*);
constexpr TileFunction kTiles[] = {TileOf<1>, TileOf<2>,  TileOf<3>,  TileOf<4>,
                                   TileOf<5>, TileOf<6>,  TileOf<7>,  TileOf<8>,
                                   TileOf<9>, TileOf<10>, TileOf<11>, TileOf<12>};

void Run(int rows, int64_t groups, const int8_t* a, int64_t lda, const uint8_t* b, int32_t* c) {
  kTiles[rows - 1](groups, a, lda, b, c);
}

constexpr Int8Tile kTile = {Run, 12};

}  // namespace

const Int8Tile* VnniInt8Tile() { return &kTile; }

}  // namespace gantry

#else

namespace gantry {

const Int8Tile* VnniInt8Tile() { return nullptr; }

}  // namespace gantry

#endif
