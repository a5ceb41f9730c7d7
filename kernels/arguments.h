#ifndef GANTRY_KERNELS_ARGUMENTS_H_
#define GANTRY_KERNELS_ARGUMENTS_H_

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/backend.h"

namespace gantry {

// Ends the process, logging `what`, when a caller broke the contract of backend.h.
void Require(bool condition, absl::string_view what);

// Checks that every backend makes. What may come from another process (layouts, token ids, block
// numbers) is INVALID_ARGUMENT; shapes that do not fit their buffers are bugs and abort.
absl::Status CheckLayout(const StepLayout& layout);
absl::Status CheckTokenIds(absl::Span<const int32_t> ids, int64_t vocab);
absl::Status CheckSampleRequests(absl::Span<const SampleRequest> requests, int64_t vocab);
// Every slice's blocks exist in a cache of `shape` and hold its positions.
absl::Status CheckBlocks(const StepLayout& layout, const KvCacheShape& shape);
// INVALID_ARGUMENT for an odd rotary dimension or one beyond the head.
absl::Status CheckRopes(const StepLayout& layout, int64_t head_dim);
void CheckLinear(const LinearArgs& args, size_t activation_bytes);
void CheckAttention(const AttentionArgs& args, int64_t tokens, size_t activation_bytes);
void CheckBytes(const Buffer* buffer, int64_t rows, int64_t columns, size_t element_bytes,
                absl::string_view what);

// Bytes of rows * cols elements; RESOURCE_EXHAUSTED when the product does not fit 63 bits,
// INVALID_ARGUMENT when a factor is not positive.
absl::StatusOr<size_t> CheckedArea(int64_t rows, int64_t cols, size_t element_bytes,
                                   absl::string_view what);

// INVALID_ARGUMENT naming the field for a block size, a compute dtype, a threshold or a combination
// that nobody has.
absl::Status CheckFormat(const MatrixFormat& format);
// INVALID_ARGUMENT for rows in int8, nf4 or fp4: embeddings are never quantised.
absl::Status CheckEmbeddingTable(const Matrix& table);
// Bytes of keys and values with the tokens of a block, and the floats of a value, rounded up to
// multiples of `lanes`; errors as CheckedArea.
absl::StatusOr<size_t> CheckedKvCacheBytes(const KvCacheShape& shape, int64_t lanes);

// Whether the norm before a product rounds to fp16 after each factor, as that of a model in fp16
// does: before LLM.int8(), whose codes would otherwise differ in one of 30. Not before lm_head, for
// Backend::RmsNorm may stand in its place.
inline bool NormIsF16(const LinearArgs& args) {
  return args.weight->scheme() == Scheme::kInt8 && !args.float_out;
}

inline bool IsGated(LinearArgs::Epilogue epilogue) {
  return epilogue != LinearArgs::Epilogue::kNone && epilogue != LinearArgs::Epilogue::kAddTo;
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_ARGUMENTS_H_
