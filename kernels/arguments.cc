#include "kernels/arguments.h"

#include <cstdlib>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/log.h"

namespace gantry {

void Require(bool condition, absl::string_view what) {
  if (condition) return;
  LogError(absl::StrCat("kernel called with wrong arguments: ", what));
  std::abort();
}

absl::Status CheckLayout(const StepLayout& layout) {
  if (layout.rows < 0) {
    return absl::InvalidArgumentError(absl::StrCat("step of ", layout.rows, " rows"));
  }
  int64_t next_row = 0;
  for (size_t i = 0; i < layout.slices.size(); ++i) {
    const StepLayout::Slice& slice = layout.slices[i];
    const bool rows_ok = slice.first_row == next_row && slice.rows > 0 &&
                         slice.rows <= layout.rows - slice.first_row && slice.start_position >= 0 &&
                         slice.start_position <= std::numeric_limits<int32_t>::max() - slice.rows;
    if (!rows_ok) {
      return absl::InvalidArgumentError(absl::StrCat(
          "slice ", i, ": rows [", slice.first_row, ", +", slice.rows, ") at position ",
          slice.start_position, "; expected to start at row ", next_row, " of ", layout.rows));
    }
    if (slice.first_block < 0 || slice.num_blocks < 0 ||
        slice.first_block + int64_t{slice.num_blocks} >
            static_cast<int64_t>(layout.block_table.size())) {
      return absl::InvalidArgumentError(absl::StrCat("slice ", i, ": blocks [", slice.first_block,
                                                     ", +", slice.num_blocks, ") of a table of ",
                                                     layout.block_table.size()));
    }
    if (slice.rope < 0 || slice.rope >= static_cast<int64_t>(layout.ropes.size())) {
      return absl::InvalidArgumentError(absl::StrCat("slice ", i, ": rotary embedding ", slice.rope,
                                                     " of ", layout.ropes.size()));
    }
    next_row += slice.rows;
  }
  if (next_row != layout.rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("slices hold ", next_row, " rows, the step ", layout.rows));
  }
  if (!layout.token_ids.empty() && layout.token_ids.size() != layout.rows) {
    return absl::InvalidArgumentError(
        absl::StrCat(layout.token_ids.size(), " token ids for ", layout.rows, " rows"));
  }
  for (const int32_t row : layout.logit_rows) {
    if (row < 0 || row >= layout.rows) {
      return absl::InvalidArgumentError(
          absl::StrCat("logits of row ", row, " in a step of ", layout.rows));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTokenIds(absl::Span<const int32_t> ids, int64_t vocab) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocab) {
      return absl::InvalidArgumentError(
          absl::StrCat("token ", i, ": id ", ids[i], " is not in [0, ", vocab, ")"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSampleRequests(absl::Span<const SampleRequest> requests, int64_t vocab) {
  for (size_t i = 0; i < requests.size(); ++i) {
    const SampleRequest& request = requests[i];
    if (request.given_token >= vocab) {
      return absl::InvalidArgumentError(absl::StrCat(
          "sample ", i, ": given token ", request.given_token, " is not in [0, ", vocab, ")"));
    }
    if (request.top_logprobs < 0 || request.top_logprobs > vocab) {
      return absl::InvalidArgumentError(absl::StrCat(
          "sample ", i, ": top_logprobs ", request.top_logprobs, " is not in [0, ", vocab, "]"));
    }
    if (!request.allowed.empty() &&
        static_cast<int64_t>(request.allowed.size()) != MaskBytes(vocab)) {
      return absl::InvalidArgumentError(absl::StrCat("sample ", i, ": a mask of ",
                                                     request.allowed.size(), " bytes, expected ",
                                                     MaskBytes(vocab), " for ", vocab, " tokens"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBlocks(const StepLayout& layout, const KvCacheShape& shape) {
  for (size_t i = 0; i < layout.slices.size(); ++i) {
    const StepLayout::Slice& slice = layout.slices[i];
    if (slice.num_blocks * shape.block_size < int64_t{slice.start_position} + slice.rows) {
      return absl::InvalidArgumentError(
          absl::StrCat("slice ", i, ": ", slice.num_blocks, " blocks of ", shape.block_size,
                       " tokens do not hold ", slice.start_position + int64_t{slice.rows}));
    }
    for (int32_t b = 0; b < slice.num_blocks; ++b) {
      const int32_t block = layout.block_table[slice.first_block + b];
      if (block < 0 || block >= shape.num_blocks) {
        return absl::InvalidArgumentError(
            absl::StrCat("slice ", i, ": block ", block, " is not in [0, ", shape.num_blocks, ")"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRopes(const StepLayout& layout, int64_t head_dim) {
  for (size_t i = 0; i < layout.ropes.size(); ++i) {
    const int64_t rotary_dim = 2 * static_cast<int64_t>(layout.ropes[i].inv_freq.size());
    if (rotary_dim > head_dim) {
      return absl::InvalidArgumentError(absl::StrCat("rotary embedding ", i, " turns ", rotary_dim,
                                                     " dimensions of a head of ", head_dim));
    }
  }
  return absl::OkStatus();
}

void CheckBytes(const Buffer* buffer, int64_t rows, int64_t columns, size_t element_bytes,
                absl::string_view what) {
  Require(buffer != nullptr, absl::StrCat(what, " is null"));
  uint64_t bytes;
  const bool fits = rows >= 0 && columns >= 0 && CheckedMultiply(rows, columns, &bytes) &&
                    CheckedMultiply(bytes, element_bytes, &bytes) && bytes <= buffer->bytes();
  Require(fits, absl::StrCat(what, " of ", buffer->bytes(), " bytes is too small for [", rows, ", ",
                             columns, "]"));
}

void CheckLinear(const LinearArgs& args, size_t activation_bytes) {
  Require(args.weight != nullptr, "weight is null");
  const int64_t rows = args.weight->rows();
  const int64_t cols = args.weight->cols();
  const bool gated = IsGated(args.epilogue);
  Require(!gated || rows % 2 == 0, "a gated weight has an odd number of rows");
  CheckBytes(args.x, args.tokens, cols, activation_bytes, "x");
  Require(!args.float_out || args.epilogue == LinearArgs::Epilogue::kNone,
          "floats come without an epilogue");
  CheckBytes(args.out, args.tokens, gated ? rows / 2 : rows,
             args.float_out ? sizeof(float) : activation_bytes, "out");
  if (args.norm_weight != nullptr) CheckBytes(args.norm_weight, 1, cols, 4, "norm_weight");
  if (args.bias != nullptr) CheckBytes(args.bias, 1, rows, 4, "bias");
  Require(args.out != args.x, "a linear op cannot write over its input");
}

void CheckAttention(const AttentionArgs& args, int64_t tokens, size_t activation_bytes) {
  Require(args.heads > 0 && args.kv_heads > 0 && args.heads % args.kv_heads == 0,
          "the heads are no multiple of the key-value heads");
  Require(args.head_dim > 0 && args.sliding_window >= 0, "head_dim or sliding_window");
  Require(args.cache != nullptr, "cache is null");
  CheckBytes(args.qkv, tokens, (args.heads + 2 * args.kv_heads) * args.head_dim, activation_bytes,
             "qkv");
  CheckBytes(args.out, tokens, args.heads * args.head_dim, activation_bytes, "out");
}

absl::StatusOr<size_t> CheckedArea(int64_t rows, int64_t cols, size_t element_bytes,
                                   absl::string_view what) {
  if (rows <= 0 || cols <= 0) {
    return absl::InvalidArgumentError(absl::StrCat(what, " of shape [", rows, ", ", cols, "]"));
  }
  uint64_t bytes;
  if (!CheckedMultiply(rows, cols, &bytes) || !CheckedMultiply(bytes, element_bytes, &bytes) ||
      bytes > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, " of shape [", rows, ", ", cols, "] is beyond any memory"));
  }
  return static_cast<size_t>(bytes);
}

absl::Status CheckFormat(const MatrixFormat& format) {
  const TensorScheme& scheme = format.scheme;
  const std::string where = absl::StrCat("a weight in ", SchemeName(scheme.scheme), ": ");
  if (IsFourBit(scheme.scheme)) {
    if (!IsBlockSize(scheme.block_size)) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, "expected blocks of a power of two from 32 to 4096, found ", scheme.block_size));
    }
    const DType dtype = format.compute_dtype;
    if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, "expected to compute in F32, F16 or BF16, found ", DTypeName(dtype)));
    }
  } else if (scheme.double_quant) {
    return absl::InvalidArgumentError(absl::StrCat(where, "has no absmax to quantise again"));
  }
  if (scheme.scheme == Scheme::kInt8) {
    if (!(format.int8_threshold >= 0)) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, "expected a threshold of at least 0, found ", format.int8_threshold));
    }
  } else if (scheme.has_fp16_weight) {
    return absl::InvalidArgumentError(absl::StrCat(where, "a 16-bit copy is for int8 alone"));
  }
  return absl::OkStatus();
}

absl::Status CheckEmbeddingTable(const Matrix& table) {
  if (!IsQuantised(table.scheme())) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "an embedding table in ", SchemeName(table.scheme()), "; expected fp32, fp16 or bf16"));
}

absl::StatusOr<size_t> CheckedKvCacheBytes(const KvCacheShape& shape, int64_t lanes) {
  const std::string what =
      absl::StrCat("a cache of ", shape.num_blocks, " blocks of ", shape.block_size, " tokens, ",
                   shape.kv_heads, " heads of ", shape.head_dim);
  if (shape.num_blocks <= 0 || shape.block_size <= 0 || shape.kv_heads <= 0 ||
      shape.head_dim <= 0) {
    return absl::InvalidArgumentError(what);
  }
  // A block of these dimensions has less than 2^63 bytes.
  constexpr int64_t kLargest = 1 << 20;
  const bool block_fits = shape.block_size <= kLargest && shape.head_dim <= kLargest;
  if (block_fits) {
    const auto round_up = [&](int64_t n) { return (n + lanes - 1) / lanes * lanes; };
    const uint64_t head_floats =
        round_up(shape.block_size) * (shape.head_dim + round_up(shape.head_dim));
    uint64_t bytes;
    if (CheckedMultiply(head_floats * sizeof(float), shape.kv_heads, &bytes) &&
        CheckedMultiply(bytes, shape.num_blocks, &bytes) &&
        bytes <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return static_cast<size_t>(bytes);
    }
  }
  return absl::ResourceExhaustedError(absl::StrCat(what, " is beyond any memory"));
}

}  // namespace gantry
