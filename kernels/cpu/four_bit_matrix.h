#ifndef GANTRY_KERNELS_CPU_FOUR_BIT_MATRIX_H_
#define GANTRY_KERNELS_CPU_FOUR_BIT_MATRIX_H_

#include <array>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/packed.h"
#include "kernels/cpu/panel_matrix.h"

namespace gantry {

// Weights in nf4 or fp4, repacked: codes [panels, cols, 16], byte i of a column with row i of the
// panel in its low half and row i + 16 in its high one; absmax [panels, segments, 32], as floats or
// in 8 bits with double_quant, the blocks that a row touches in order; nested absmax.
class FourBitMatrix : public PanelMatrix {
 public:
  static absl::StatusOr<std::unique_ptr<Matrix>> Pack(const MatrixSource& source, ThreadPool* pool);
  static size_t Bytes(const MatrixFormat& format, int64_t rows, int64_t cols);

  size_t bytes() const override { return memory_.bytes(); }
  const float* Columns(const Isa& isa, int64_t panel, int64_t first, int64_t depth,
                       float* scratch) const override;
  void MultiplyRow(const Isa& isa, int64_t panel, int64_t first, int64_t depth, const float* x,
                   float* sums) const override;
  Rounding rounding() const override;

 private:
  // Where blocks and nested blocks of some rows start anew.
  struct Part {
    int64_t first_row;
    int64_t first_nested;
    std::array<float, 256> nested_map;
    float nested_offset;
  };
  // A row of a panel: what its absmax are made of.
  struct Lane {
    const Part* part;
    int64_t first_block;  // that it touches, in its part
    int64_t shift;        // its first column's place in that block
  };

  using PanelMatrix::PanelMatrix;
  void Repack(const PackedTensor& tensor, int64_t first_row, ThreadPool* pool);
  Lane LaneOf(int64_t row) const;
  // Calls run(k, count, absmax) for runs of columns of [first, first + depth) within which no row
  // passes to another block.
  template <typename Run>
  void ForEachRun(int64_t panel, int64_t first, int64_t depth, Run run) const;
  // The absmax of column k for all lanes, [32], in place or in `scratch`.
  const float* Absmax(int64_t panel, int64_t k, const Lane* lanes, float* scratch) const;

  uint8_t* codes() const { return static_cast<uint8_t*>(memory_.data()); }
  uint8_t* statistics() const { return codes() + code_bytes_; }
  float* nested() const { return reinterpret_cast<float*>(statistics() + statistics_bytes_); }

  int64_t segments_ = 0;  // absmax a row
  int block_shift_ = 0;   // log2 of the block size
  bool aligned_ = false;  // every row begins with a block
  size_t code_bytes_ = 0;
  size_t statistics_bytes_ = 0;
  HostMemory memory_;
  std::vector<Part> parts_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_FOUR_BIT_MATRIX_H_
