#include "kernels/cpu/four_bit_matrix.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "kernels/arguments.h"
#include "kernels/packed_part.h"
#include "kernels/part_reader.h"

namespace gantry {
namespace {

constexpr int64_t kHalf = kPanel / 2;

struct Sizes {
  int64_t segments;
  size_t codes;
  size_t statistics;
  size_t nested;
};

Sizes SizesOf(const TensorScheme& scheme, int64_t rows, int64_t cols) {
  const int64_t block = scheme.block_size;
  const int64_t panels = CountPanels(rows);
  Sizes sizes;
  // A row that begins anywhere touches one block more.
  sizes.segments = cols % block == 0 ? cols / block : (cols + block - 2) / block + 1;
  sizes.codes = panels * cols * kHalf;
  sizes.statistics = panels * sizes.segments * kPanel * (scheme.double_quant ? 1 : sizeof(float));
  sizes.nested = scheme.double_quant
                     ? (rows * cols / block / kNestedBlockSize + kMostParts) * sizeof(float)
                     : 0;
  return sizes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Matrix>> FourBitMatrix::Pack(const MatrixSource& source,
                                                            ThreadPool* pool) {
  // In floats all sizes fit; in 4 bits they do then.
  GANTRY_RETURN_IF_ERROR(
      CheckedArea(source.rows, source.cols, sizeof(float) * kPanel, "a weight").status());
  GANTRY_RETURN_IF_ERROR(CheckParts(source));
  std::unique_ptr<FourBitMatrix> matrix(new FourBitMatrix(source.format, source.rows, source.cols));
  const int64_t block = source.format.scheme.block_size;
  const Sizes sizes = SizesOf(source.format.scheme, source.rows, source.cols);
  matrix->segments_ = sizes.segments;
  matrix->block_shift_ = __builtin_ctzll(block);
  matrix->aligned_ = source.cols % block == 0;
  matrix->code_bytes_ = sizes.codes;
  matrix->statistics_bytes_ = sizes.statistics;
  GANTRY_ASSIGN_OR_RETURN(matrix->memory_,
                          HostMemory::Allocate(Bytes(source.format, source.rows, source.cols)));
  TouchPages(matrix->memory_, pool);
  int64_t first_row = 0;
  int64_t first_nested = 0;
  for (size_t i = 0; i < source.parts.size(); ++i) {
    GANTRY_ASSIGN_OR_RETURN(const PackedTensor tensor, ReadPackedPart(source, i, ForEachOn(pool)));
    Part part = {first_row, first_nested, {}, tensor.nested_offset};
    std::copy(tensor.nested_map.begin(), tensor.nested_map.end(), part.nested_map.begin());
    matrix->parts_.push_back(part);
    std::copy(tensor.nested_absmax.begin(), tensor.nested_absmax.end(),
              matrix->nested() + first_nested);
    matrix->Repack(tensor, first_row, pool);
    first_row += tensor.rows;
    first_nested += tensor.nested_absmax.size();
  }
  return std::unique_ptr<Matrix>(std::move(matrix));
}

size_t FourBitMatrix::Bytes(const MatrixFormat& format, int64_t rows, int64_t cols) {
  const Sizes sizes = SizesOf(format.scheme, rows, cols);
  return sizes.codes + sizes.statistics + sizes.nested;
}

Rounding FourBitMatrix::rounding() const {
  switch (format_.compute_dtype) {
    case DType::kF16:
      return Rounding::kF16;
    case DType::kBF16:
      return Rounding::kBf16;
    default:
      return Rounding::kNone;
  }
}

void FourBitMatrix::Repack(const PackedTensor& tensor, int64_t first_row, ThreadPool* pool) {
  const int64_t first_panel = first_row / kPanel;
  const int64_t panels = CountPanels(first_row + tensor.rows) - first_panel;
  const int64_t blocks = tensor.blocks();
  ForEachOn(pool)(panels, [&](int64_t i) {
    const int64_t panel = first_panel + i;
    const int64_t begin = std::max(panel * kPanel, first_row);
    const int64_t end = std::min((panel + 1) * kPanel, first_row + tensor.rows);
    for (int64_t row = begin; row < end; ++row) {
      const int64_t lane = row % kPanel;
      const int64_t from = (row - first_row) * cols_;
      uint8_t* to = codes() + panel * cols_ * kHalf + lane % kHalf;
      for (int64_t k = 0; k < cols_; ++k) {
        const uint8_t pair = tensor.codes[(from + k) / 2];
        const uint8_t code = (from + k) % 2 == 0 ? pair >> 4 : pair & 15;
        to[k * kHalf] |= lane < kHalf ? code : code << 4;
      }
      const int64_t last_block =
          std::min(blocks, (from + cols_ - 1) / tensor.scheme.block_size + 1);
      int64_t at = panel * segments_ * kPanel + lane;
      for (int64_t block = from / tensor.scheme.block_size; block < last_block; ++block) {
        if (tensor.scheme.double_quant) {
          statistics()[at] = tensor.absmax_codes[block];
        } else {
          reinterpret_cast<float*>(statistics())[at] = tensor.absmax[block];
        }
        at += kPanel;
      }
    }
  });
}

FourBitMatrix::Lane FourBitMatrix::LaneOf(int64_t row) const {
  row = std::min(row, rows_ - 1);
  const Part* part = &parts_.back();
  while (part->first_row > row) --part;
  const int64_t element = (row - part->first_row) * cols_;
  return {part, element >> block_shift_, element & (format_.scheme.block_size - 1)};
}

const float* FourBitMatrix::Absmax(int64_t panel, int64_t k, const Lane* lanes,
                                   float* scratch) const {
  const int64_t base = panel * segments_ * kPanel;
  const float* floats = reinterpret_cast<const float*>(statistics());
  if (aligned_ && !format_.scheme.double_quant) {
    return floats + base + (k >> block_shift_) * kPanel;
  }
  for (int64_t i = 0; i < kPanel; ++i) {
    const Lane& lane = lanes[i];
    const int64_t segment = (k + lane.shift) >> block_shift_;
    const int64_t at = base + segment * kPanel + i;
    if (!format_.scheme.double_quant) {
      scratch[i] = floats[at];
      continue;
    }
    const int64_t nested_block = (lane.first_block + segment) / kNestedBlockSize;
    const float product =
        lane.part->nested_map[statistics()[at]] * nested()[lane.part->first_nested + nested_block];
    scratch[i] = product + lane.part->nested_offset;
  }
  return scratch;
}

template <typename Run>
void FourBitMatrix::ForEachRun(int64_t panel, int64_t first, int64_t depth, Run run) const {
  Lane lanes[kPanel];
  if (!aligned_ || format_.scheme.double_quant) {
    for (int64_t i = 0; i < kPanel; ++i) lanes[i] = LaneOf(panel * kPanel + i);
  }
  const int64_t block = format_.scheme.block_size;
  const int64_t end = first + depth;
  float absmax[kPanel];
  for (int64_t k = first; k < end;) {
    int64_t next = std::min(end, (k / block + 1) * block);
    if (!aligned_) {
      for (const Lane& lane : lanes) {
        next = std::min(next, (((k + lane.shift) >> block_shift_) + 1) * block - lane.shift);
      }
    }
    run(k, next - k, Absmax(panel, k, lanes, absmax));
    k = next;
  }
}

const float* FourBitMatrix::Columns(const Isa& isa, int64_t panel, int64_t first, int64_t depth,
                                    float* scratch) const {
  ForEachRun(panel, first, depth, [&](int64_t k, int64_t count, const float* absmax) {
    isa.expand_4bit(rounding(), codes() + (panel * cols_ + k) * kHalf, CodeBook(scheme()).data(),
                    absmax, count, scratch + (k - first) * kPanel);
  });
  return scratch;
}

void FourBitMatrix::MultiplyRow(const Isa& isa, int64_t panel, int64_t first, int64_t depth,
                                const float* x, float* sums) const {
  std::fill_n(sums, kPanel, 0.0f);
  ForEachRun(panel, first, depth, [&](int64_t k, int64_t count, const float* absmax) {
    isa.four_bit_row(rounding(), codes() + (panel * cols_ + k) * kHalf, CodeBook(scheme()).data(),
                     absmax, count, x + (k - first), sums);
  });
}

}  // namespace gantry
