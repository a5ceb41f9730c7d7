#include "kernels/cpu/float_product.h"

#include <algorithm>
#include <cstring>

#include "base/status_macros.h"

namespace gantry {

absl::Status FloatProduct::Prepare(const LinearArgs& args) {
  args_ = &args;
  tiles_ = (args.tokens + isa_.tile_rows - 1) / isa_.tile_rows;
  const int64_t threads = pool_.threads();
  const int64_t cols = args.weight->cols();
  // What is expanded comes first: its size keeps the alignment.
  const int64_t expanded = threads * kDepth * kPanel;
  GANTRY_ASSIGN_OR_RETURN(expanded_, scratch_.Reserve(expanded + (threads + args.tokens) * cols));
  normalised_ = expanded_ + expanded;
  tokens_ = normalised_ + threads * cols;
  PackTokens();
  return absl::OkStatus();
}

void FloatProduct::PackTokens() {
  const int64_t cols = args_->weight->cols();
  const Rounding rounding = weight().rounding();
  pool_.ParallelFor(tiles_, 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t first = TileBegin(tile);
      const int64_t rows = TileBegin(tile + 1) - first;
      float* to = tokens_ + first * cols;
      for (int64_t row = 0; row < rows; ++row) {
        const float* from = args_->x->as<float>() + (first + row) * cols;
        float* normalised = normalised_ + thread * cols;
        if (args_->norm_weight != nullptr) {
          isa_.rms_norm(from, args_->norm_weight->as<float>(), args_->norm_eps, cols, normalised);
          from = normalised;
        }
        if (rounding != Rounding::kNone) {
          if (from != normalised) std::memcpy(normalised, from, cols * sizeof(float));
          isa_.round(rounding, cols, normalised);
          from = normalised;
        }
        for (int64_t k = 0; k < cols; ++k) to[k * rows + row] = from[k];
      }
    }
  });
}

void FloatProduct::Multiply(int64_t panel, int thread, float* c) {
  const int64_t cols = args_->weight->cols();
  for (int64_t k = 0; k < cols; k += kDepth) {
    const int64_t depth = std::min(kDepth, cols - k);
    if (args_->tokens == 1) {
      float sums[kPanel];
      weight().MultiplyRow(isa_, panel, k, depth, tokens_ + k, sums);
      for (int64_t i = 0; i < kPanel; ++i) c[i] = k == 0 ? sums[i] : c[i] + sums[i];
      continue;
    }
    const float* b = weight().Columns(isa_, panel, k, depth, expanded_ + thread * kDepth * kPanel);
    for (int64_t tile = 0; tile < tiles_; ++tile) {
      const int64_t first = TileBegin(tile);
      const int64_t rows = TileBegin(tile + 1) - first;
      isa_.tile(rows, kPanel, depth, tokens_ + first * cols + k * rows, b, kPanel,
                c + first * kPanel, kPanel, /*add=*/k > 0);
    }
  }
  if (args_->bias != nullptr) AddBias(panel, c);
  isa_.round(weight().rounding(), args_->tokens * kPanel, c);
}

void FloatProduct::AddBias(int64_t panel, float* c) const {
  float bias[kPanel] = {};
  const int64_t count = std::min(kPanel, weight().rows() - panel * kPanel);
  std::copy_n(args_->bias->as<float>() + panel * kPanel, count, bias);
  isa_.round(weight().rounding(), kPanel, bias);
  for (int64_t row = 0; row < args_->tokens; ++row) {
    for (int64_t i = 0; i < kPanel; ++i) c[row * kPanel + i] += bias[i];
  }
}

}  // namespace gantry
