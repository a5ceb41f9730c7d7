#include "kernels/cpu/int8_product.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/status_macros.h"
#include "kernels/arguments.h"
#include "kernels/reference/quantize.h"

namespace gantry {

absl::Status Int8Product::Prepare(const LinearArgs& args) {
  args_ = &args;
  stride_ = weight().groups() * kInt8Group;
  const int64_t cols = weight().cols();
  const int64_t tokens = args.tokens;
  const int64_t bytes = tokens * (stride_ + cols);
  GANTRY_ASSIGN_OR_RETURN(values_,
                          scratch_.Reserve(tokens * (cols + 2) + bytes / sizeof(float) + 1));
  absmax_ = values_ + tokens * cols;
  sums_ = reinterpret_cast<int32_t*>(absmax_ + tokens);
  codes_ = reinterpret_cast<int8_t*>(sums_ + tokens);
  flags_ = reinterpret_cast<uint8_t*>(codes_ + tokens * stride_);
  RoundAndFlag();
  if (weight().format().outliers_per_batch) UniteFlags();
  Quantise();
  ListOutliers();
  GANTRY_ASSIGN_OR_RETURN(
      expanded_, expanded_scratch_.Reserve(pool_.threads() * outlier_columns_.size() * kPanel));
  return absl::OkStatus();
}

void Int8Product::RoundAndFlag() {
  const int64_t cols = weight().cols();
  const float threshold = weight().format().int8_threshold;
  // Without a threshold what is not finite is flagged, and spoils the token by its absmax.
  const float limit = threshold > 0 ? threshold : std::numeric_limits<float>::infinity();
  pool_.ParallelFor(args_->tokens, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t token = begin; token < end; ++token) {
      const float* from = args_->x->as<float>() + token * cols;
      float* values = values_ + token * cols;
      if (args_->norm_weight != nullptr) {
        const auto norm = NormIsF16(*args_) ? isa_.f16_rms_norm : isa_.rms_norm;
        norm(from, args_->norm_weight->as<float>(), args_->norm_eps, cols, values);
      } else {
        std::memcpy(values, from, cols * sizeof(float));
      }
      isa_.round(Rounding::kF16, cols, values);
      absmax_[token] = isa_.int8_absmax(values, cols, limit, flags_ + token * cols);
    }
  });
}

void Int8Product::UniteFlags() {
  const int64_t cols = weight().cols();
  for (int64_t token = 1; token < args_->tokens; ++token) {
    for (int64_t k = 0; k < cols; ++k) flags_[k] |= flags_[token * cols + k];
  }
  for (int64_t token = 1; token < args_->tokens; ++token) {
    std::memcpy(flags_ + token * cols, flags_, cols);
  }
}

void Int8Product::Quantise() {
  const int64_t cols = weight().cols();
  const bool has_threshold = weight().format().int8_threshold > 0;
  pool_.ParallelFor(args_->tokens, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t token = begin; token < end; ++token) {
      const uint8_t* flags = flags_ + token * cols;
      int8_t* codes = codes_ + token * stride_;
      sums_[token] =
          isa_.int8_codes(values_ + token * cols, flags, cols, Int8Scale(absmax_[token]), codes);
      std::fill(codes + cols, codes + stride_, 0);
      if (!has_threshold && std::memchr(flags, 1, cols) != nullptr) {
        absmax_[token] = std::numeric_limits<float>::quiet_NaN();
      }
    }
  });
}

void Int8Product::ListOutliers() {
  const int64_t cols = weight().cols();
  outlier_columns_.clear();
  outlier_index_.clear();
  outlier_values_.clear();
  outliers_begin_.assign(args_->tokens + 1, 0);
  if (!(weight().format().int8_threshold > 0)) return;
  // First the columns themselves, then their places among those of all tokens.
  for (int64_t token = 0; token < args_->tokens; ++token) {
    const uint8_t* flags = flags_ + token * cols;
    const uint8_t* end = flags + cols;
    const uint8_t* at = flags;
    while ((at = static_cast<const uint8_t*>(std::memchr(at, 1, end - at))) != nullptr) {
      outlier_index_.push_back(static_cast<int32_t>(at - flags));
      outlier_values_.push_back(values_[token * cols + (at - flags)]);
      if (++at == end) break;
    }
    outliers_begin_[token + 1] = outlier_index_.size();
  }
  outlier_columns_ = outlier_index_;
  std::sort(outlier_columns_.begin(), outlier_columns_.end());
  outlier_columns_.erase(std::unique(outlier_columns_.begin(), outlier_columns_.end()),
                         outlier_columns_.end());
  for (int32_t& index : outlier_index_) {
    index = std::lower_bound(outlier_columns_.begin(), outlier_columns_.end(), index) -
            outlier_columns_.begin();
  }
}

void Int8Product::Multiply(int64_t panel, int thread, float* c) {
  float bias[kPanel] = {};
  if (args_->bias != nullptr) {
    const int64_t count = std::min(kPanel, weight().rows() - panel * kPanel);
    std::copy_n(args_->bias->as<float>() + panel * kPanel, count, bias);
    isa_.round(Rounding::kF16, kPanel, bias);
  }
  float* columns = expanded_ + thread * outlier_columns_.size() * kPanel;
  for (size_t i = 0; i < outlier_columns_.size(); ++i) {
    weight().Column(isa_, panel, outlier_columns_[i], columns + i * kPanel);
  }
  constexpr int64_t kMostRows = 16;
  int32_t products[kMostRows * kPanel];
  for (int64_t first = 0; first < args_->tokens; first += isa_.int8_rows) {
    const int64_t rows = std::min<int64_t>(isa_.int8_rows, args_->tokens - first);
    isa_.int8_tile(rows, weight().groups(), codes_ + first * stride_, stride_,
                   weight().panel(panel), products);
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t token = first + row;
      const Int8Scales scales = {sums_[token], absmax_[token], weight().scb(panel), bias};
      isa_.int8_scale(products + row * kPanel, scales, c + token * kPanel);
      const size_t begin = outliers_begin_[token];
      const size_t count = outliers_begin_[token + 1] - begin;
      if (count == 0) continue;
      isa_.int8_outliers(count, outlier_index_.data() + begin, outlier_values_.data() + begin,
                         columns, c + token * kPanel);
    }
  }
}

}  // namespace gantry
