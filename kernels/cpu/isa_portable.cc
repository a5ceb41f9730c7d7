#include <cstdint>

#include "base/quantisation_constants.h"
#include "kernels/cpu/isa_kernels.h"

namespace gantry {
namespace {

// Four registers of four floats: what every CPU has, by the compilers' vector extension.
typedef float Quad __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t IntQuad __attribute__((vector_size(16), aligned(4), may_alias));
struct V {
  Quad part[4];
};

template <typename Op>
inline V Map(Op op) {
  V out;
  for (int i = 0; i < 4; ++i) out.part[i] = op(i);
  return out;
}
inline Quad Select(IntQuad mask, Quad a, Quad b) { return mask ? a : b; }

inline V Load(const float* p) {
  return Map([&](int i) { return reinterpret_cast<const Quad*>(p)[i]; });
}
inline void Store(float* p, V x) {
  for (int i = 0; i < 4; ++i) reinterpret_cast<Quad*>(p)[i] = x.part[i];
}
inline V Set(float x) {
  return Map([&](int) { return Quad{x, x, x, x}; });
}
inline V Add(V a, V b) {
  return Map([&](int i) { return a.part[i] + b.part[i]; });
}
inline V Sub(V a, V b) {
  return Map([&](int i) { return a.part[i] - b.part[i]; });
}
inline V Mul(V a, V b) {
  return Map([&](int i) { return a.part[i] * b.part[i]; });
}
inline V Div(V a, V b) {
  return Map([&](int i) { return a.part[i] / b.part[i]; });
}
inline V Fma(V a, V b, V c) {
  return Map([&](int i) { return a.part[i] * b.part[i] + c.part[i]; });
}
// Max and Min give b when either is NaN, as x86 does.
inline V Max(V a, V b) {
  return Map([&](int i) { return Select(a.part[i] > b.part[i], a.part[i], b.part[i]); });
}
inline V Min(V a, V b) {
  return Map([&](int i) { return Select(a.part[i] < b.part[i], a.part[i], b.part[i]); });
}
// y, or 0 where x < limit.
inline V ZeroBelow(V x, V limit, V y) {
  return Map([&](int i) { return Select(x.part[i] < limit.part[i], Quad{}, y.part[i]); });
}
// x * 2^n for the n in the low bits of `shifted`.
inline V ScaleByPowerOfTwo(V x, V shifted) {
  return Map([&](int i) {
    return reinterpret_cast<Quad>(reinterpret_cast<IntQuad>(x.part[i]) +
                                  (reinterpret_cast<IntQuad>(shifted.part[i]) << 23));
  });
}

// 16 floats for the 16 codes of 4 bits.
using Book = const float*;
inline Book LoadBook(const float* p) { return p; }
// The values of the low and of the high halves of 16 bytes.
inline void LookUp(Book book, const uint8_t* codes, V* low, V* high) {
  for (int i = 0; i < kLanes; ++i) {
    low->part[i / 4][i % 4] = book[codes[i] & 15];
    high->part[i / 4][i % 4] = book[codes[i] >> 4];
  }
}

inline float FromBits(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof(x));
  return x;
}
inline uint32_t Bits(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return bits;
}
template <typename Op>
inline V Each(V x, Op op) {
  for (int i = 0; i < kLanes; ++i) x.part[i / 4][i % 4] = op(x.part[i / 4][i % 4]);
  return x;
}

inline float F16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  // The exponent moved up by 112 through a product that also makes subnormals right.
  const float magnitude = FromBits(static_cast<uint32_t>(bits & 0x7fff) << 13) * 0x1p112f;
  const uint32_t special = (bits & 0x7c00) == 0x7c00 ? 0x7f800000 : 0;
  return FromBits(Bits(magnitude) | special | sign);
}
inline V LoadF16(const uint16_t* p) {
  V out;
  for (int i = 0; i < kLanes; ++i) out.part[i / 4][i % 4] = F16(p[i]);
  return out;
}
inline V LoadBf16(const uint16_t* p) {
  V out;
  for (int i = 0; i < kLanes; ++i) {
    out.part[i / 4][i % 4] = FromBits(static_cast<uint32_t>(p[i]) << 16);
  }
  return out;
}
inline V RoundF16(V x) {
  return Each(x, [](float value) {
    const uint32_t bits = Bits(value);
    const uint32_t sign = bits & 0x80000000;
    const uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return value;
    if (magnitude >= 0x477ff000) return FromBits(sign | 0x7f800000);  // rounds past 65504
    if (magnitude < 0x38800000) {                                     // in units of 2^-24
      return FromBits(sign | Bits(FromBits(magnitude) + 0.75f - 0.75f));
    }
    return FromBits(sign | ((magnitude + 0xfff + (magnitude >> 13 & 1)) & ~0x1fffu));
  });
}
inline V RoundFiniteBf16(V x) {
  return Each(x, [](float value) {
    const uint32_t bits = Bits(value);
    return FromBits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000);
  });
}
inline V RoundBf16(V x) {
  const V rounded = RoundFiniteBf16(x);
  return Map([&](int i) { return Select(x.part[i] == x.part[i], rounded.part[i], x.part[i]); });
}

#include "kernels/cpu/isa_kernels.inc"
#include "kernels/cpu/isa_schemes.inc"

void Int8TileRows(int, int64_t groups, const int8_t* a, int64_t, const uint8_t* b, int32_t* c) {
  for (int64_t i = 0; i < kPanel; ++i) c[i] = 0;
  for (int64_t g = 0; g < groups; ++g, a += kInt8Group, b += kPanel * kInt8Group) {
    for (int64_t i = 0; i < kPanel; ++i) {
      int32_t sum = 0;
      for (int64_t k = 0; k < kInt8Group; ++k) sum += a[k] * b[i * kInt8Group + k];
      c[i] = static_cast<int32_t>(static_cast<uint32_t>(c[i]) + static_cast<uint32_t>(sum));
    }
  }
}

using TileFunction = void (*)(int64_t, const float*, int64_t, const float*, int64_t, float*,
                              int64_t, bool);
template <bool kRowMajor>
constexpr TileFunction kTiles[] = {TileOf<1, 1, kRowMajor>, TileOf<2, 1, kRowMajor>,
                                   TileOf<3, 1, kRowMajor>};
// Few rows leave registers for the whole width: memory is then read once, from front to back.
template <bool kRowMajor>
constexpr TileFunction kWideTiles[] = {TileOf<1, 2, kRowMajor>};
constexpr int kWideRows = 1;

#include "kernels/cpu/isa_narrow_tiles.inc"

constexpr Isa kIsa = [] {
  Isa isa = kLoops;
  isa.name = "portable";
  isa.tile_rows = 3;
  isa.tile = Tile;
  isa.row_tile = AnyTile<true>;
  isa.int8_tile = Int8TileRows;
  isa.int8_rows = 1;
  return isa;
}();

}  // namespace

const Isa* PortableIsa() { return &kIsa; }

}  // namespace gantry
