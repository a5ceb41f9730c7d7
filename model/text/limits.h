#ifndef GANTRY_MODEL_TEXT_LIMITS_H_
#define GANTRY_MODEL_TEXT_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace gantry {

// What a tokenizer's files and its input may hold. Several times what published models need.
inline constexpr size_t kMaxVocabEntries = size_t{1} << 22;
inline constexpr size_t kMaxMerges = size_t{1} << 23;
inline constexpr int64_t kMaxTokenId = (int64_t{1} << 22) - 1;
inline constexpr size_t kMaxAddedTokens = size_t{1} << 18;
inline constexpr size_t kMaxAddedTokenBytes = 512;
inline constexpr size_t kMaxSteps = 64;  // of a normalizer, pre-tokenizer or decoder

inline constexpr size_t kMaxTextBytes = size_t{16} << 20;
// Text within the tokenizer: normalizers and byte-level characters make it longer.
inline constexpr size_t kMaxExpandedBytes = size_t{64} << 20;

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_LIMITS_H_
