#include <cstdint>

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

#include "kernels/cpu/isa_kernels.inc"

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

constexpr Isa kIsa = {"portable", 3, Tile, AnyTile<true>, RmsNorm, Softmax, SiluGate, Sum};

}  // namespace

const Isa* PortableIsa() { return &kIsa; }

}  // namespace gantry
