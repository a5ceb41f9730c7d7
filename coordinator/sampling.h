#ifndef GANTRY_COORDINATOR_SAMPLING_H_
#define GANTRY_COORDINATOR_SAMPLING_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "proto/inference.pb.h"
#include "proto/stage.pb.h"

namespace gantry {

inline constexpr int kMaxLogitBiases = 1024;
inline constexpr float kMostLogitBias = 100;

// How to sample: what the request says, else what generation_config.json says, else what
// inference.proto says. As in transformers, a configuration with do_sample false is greedy whatever
// its temperature, and one with do_sample true and no temperature has 1. INVALID_ARGUMENT names
// the field of `request` that is out of the range stated in inference.proto, NaN included.
absl::StatusOr<v1::SequenceParams> ResolveSampling(const v1::Sampling& request,
                                                   const GenerationConfig& defaults,
                                                   uint64_t random_seed);

// The request's logit_bias by ascending token id. INVALID_ARGUMENT names the entry that is out of
// the vocabulary or the range, or that names a token again, or says that there are too many.
absl::Status AddLogitBias(const v1::GenerateRequest& request, int64_t vocab_size,
                          v1::SequenceParams* params);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_SAMPLING_H_
