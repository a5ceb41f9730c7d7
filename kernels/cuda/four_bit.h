#ifndef GANTRY_KERNELS_CUDA_FOUR_BIT_H_
#define GANTRY_KERNELS_CUDA_FOUR_BIT_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/product.h"

namespace gantry {

// Products with nf4 and fp4 weights of block size 64 on tensor cores, weights repacked so that a
// lane's 16 bytes are its fragments of mma.m16n8k16 for 16 rows and one block of 64 columns.
//
//   [tiles][blocks] pieces, tiles = ceil(rows / 16), blocks = cols / 64; a piece is
//   512 bytes of codes: 16 of each lane. Lane (g = lane / 4, t = lane % 4) has the columns
//       16 t .. 16 t + 15 of rows g and g + 8: byte p of word s holds a pair of codes of row
//       g + 8 (p % 2) and columns 16 t + 4 s + 2 (p / 2), the first in the high nibble, turned right
//       by one bit, which saves looking it up an instruction;
//   64 bytes of scales: the absmax of rows g and g + 8 as two floats, for each g;
//   or, with double quantisation, 16 bytes of their codes: those of rows g and g + 8 for each g.
//
// The rows of a gate and of its up-projection alternate, eight of each in a tile, so that one block
// of threads has both: row p of tile i is the gate's 8 i + p, or for p >= 8 the up-projection's
// 8 i + p - 8.
inline constexpr int kFourBitBlock = 64;
inline constexpr int kFourBitMaxParts = 4;

// absmax = map[code] * absmax[part][block / 256] + offset[part]; blocks count from the first row of
// the part, which is a tensor of the checkpoint.
struct NestedScales {
  const float* map = nullptr;  // [256]
  int parts = 0;
  int first_row[kFourBitMaxParts] = {};
  const float* absmax[kFourBitMaxParts] = {};
  float offset[kFourBitMaxParts] = {};
};

struct FourBitWeights {
  uint8_t* pieces = nullptr;
  NestedScales nested;
  bool double_quant = false;
  bool fp4 = false;
  bool gated = false;
  int rows = 0;
  int cols = 0;
};

constexpr int kFourBitCodeBytes = 512;
constexpr int FourBitPieceBytes(bool double_quant) {
  return kFourBitCodeBytes + (double_quant ? 16 : 64);
}
constexpr int FourBitTiles(int rows) { return (rows + 15) / 16; }
constexpr size_t FourBitBytes(int64_t rows, int64_t cols, bool double_quant) {
  return (rows + 15) / 16 * (cols / 64) * FourBitPieceBytes(double_quant);
}

// Whether the layout takes such a weight.
inline bool SupportsFourBitLayout(int64_t rows, int64_t cols, int64_t block_size, bool gated) {
  return block_size == kFourBitBlock && cols % kFourBitBlock == 0 && rows > 0 && rows < (1 << 30) &&
         (!gated || rows % 16 == 0);
}
// Tokens that the kernel takes at most.
inline constexpr int kFourBitMaxTokens = 32;

// Of the product's tokens, how many the kernel takes at once on this device: as many as shared
// memory has partial sums for. The sum of an element runs in the same order for any number of them.
// 0: the kernel does not take it, for want of tensor cores for bf16 (8.0 and up) or for its type.
int FourBitTokens(const FourBitWeights& weights, const CudaProduct& product,
                  const CudaDevice& device);
// Whether the kernel normalises the rows itself; otherwise they must come normalised.
bool FusesFourBitNorm(const FourBitWeights& weights, const CudaProduct& product,
                      const CudaDevice& device);

// out = epilogue(norm(x) W^T + bias). `type` is half or bfloat16; tokens and norm are as those two
// allow.
cudaError_t FourBitProduct(const FourBitWeights& weights, const CudaProduct& product,
                           const CudaDevice& device, cudaStream_t stream);

// Repacks codes and absmax in bitsandbytes' layout, [rows, cols / 2] bytes and [rows, cols / 64]
// floats, or bytes with double quantisation, into the pieces of `weights`, whose last tile is
// filled up with zeros.
cudaError_t FourBitRepack(const uint8_t* codes, const float* absmax, const uint8_t* absmax_codes,
                          const FourBitWeights& weights, cudaStream_t stream);

// Tiles [first_tile, first_tile + tiles) as [tiles * 16, cols] in the order of the packed rows,
// code * absmax rounded to `type`.
cudaError_t FourBitDequantise(const FourBitWeights& weights, int first_tile, int tiles,
                              CudaType type, void* out, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_FOUR_BIT_H_
