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

// Columns of int8 that one 32-bit product takes.
inline constexpr int64_t kInt8Group = 4;
// Weights in int8 are held as code + 128.
inline constexpr int kInt8Offset = 128;

// To the nearest value of a 16-bit float, ties to even.
enum class Rounding { kNone, kF16, kBf16 };

// What turns integer products of one token and a panel into numbers.
struct Int8Scales {
  int32_t code_sum;   // of the token's codes
  float absmax;       // of the token
  const float* scb;   // [32]
  const float* bias;  // [32], in fp16
};

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
  // x[n] rounded in place.
  void (*round)(Rounding rounding, int64_t n, float* x);
  // out[n] = from[n], which are the bits of fp16 (kF16) or bf16 (kBf16). Requires n to be a
  // multiple of 32.
  void (*widen)(Rounding type, const uint16_t* from, int64_t n, float* out);
  // out[depth, 32] = book[code] * absmax, rounded. codes: [depth, 16], the low half of byte i for
  // row i of the panel and the high one for row i + 16; book: [16]; absmax: [32].
  void (*expand_4bit)(Rounding rounding, const uint8_t* codes, const float* book,
                      const float* absmax, int64_t depth, float* out);

  // sums[32] += x[depth] times what widen and expand_4bit would make of the columns, one column
  // after the other as tile does.
  void (*half_row)(Rounding type, const uint16_t* from, int64_t depth, const float* x, float* sums);
  void (*four_bit_row)(Rounding rounding, const uint8_t* codes, const float* book,
                       const float* absmax, int64_t depth, const float* x, float* sums);

  // rms_norm rounded to fp16 after each factor.
  void (*f16_rms_norm)(const float* x, const float* weight, float eps, int64_t n, float* out);
  // The largest |x| below `limit`; sets flags[n] to whether an element is not below it.
  float (*int8_absmax)(const float* x, int64_t n, float limit, uint8_t* flags);
  // codes[n] = rint(x * scale), 0 where flagged; returns their sum.
  int32_t (*int8_codes)(const float* x, const uint8_t* flags, int64_t n, float scale,
                        int8_t* codes);
  // c[rows, 32] = sums of a (b + 128) over 4 * groups columns, modulo 2^32; a: [rows, 4 * groups],
  // rows lda apart; b: [groups, 32, 4]. Requires rows in [1, int8_rows].
  void (*int8_tile)(int rows, int64_t groups, const int8_t* a, int64_t lda, const uint8_t* b,
                    int32_t* c);
  int int8_rows;
  // out[32] = products * absmax * SCB / 127^2 + bias, rounded to fp16.
  void (*int8_scale)(const int32_t* products, const Int8Scales& scales, float* out);
  // out[32] = what column `lane` of b, [32, 4] in int8, stands for, rounded to fp16.
  void (*int8_column)(const uint8_t* b, int lane, const float* scb, float* out);
  // out[32] += the sum of x[i] * columns[index[i]], each [32], then rounded to fp16.
  void (*int8_outliers)(int64_t count, const int32_t* index, const float* x, const float* columns,
                        float* out);
  // Sum of x[n] as fast as memory delivers it. Requires n to be a multiple of 128.
  float (*sum)(const float* x, int64_t n);
};

// int8_tile with the instructions for products of bytes (AVX-512 VNNI), and its int8_rows.
struct Int8Tile {
  decltype(Isa::int8_tile) run;
  int rows;
};

// Null when the compiler has no such instructions. Whether the CPU has them is the caller's matter.
const Isa* Avx512Isa();
const Isa* Avx2Isa();
const Isa* PortableIsa();
const Int8Tile* VnniInt8Tile();

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_ISA_KERNELS_H_
