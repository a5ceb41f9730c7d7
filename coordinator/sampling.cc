#include "coordinator/sampling.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

// Whether the ends of a range belong to it.
enum class Ends { kBoth, kUpper };

absl::Status CheckRange(absl::string_view field, bool given, float value, float low, float high,
                        Ends ends) {
  if (!given) return absl::OkStatus();
  // Written so that NaN fails.
  const bool above = ends == Ends::kBoth ? value >= low : value > low;
  if (above && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("sampling.", field, ": expected ", ends == Ends::kBoth ? "" : "more than ", low,
                   ends == Ends::kBoth ? " to " : " and at most ", high, ", found ", value));
}

}  // namespace

absl::StatusOr<v1::SequenceParams> ResolveSampling(const v1::Sampling& request,
                                                   const GenerationConfig& defaults,
                                                   uint64_t random_seed) {
  GANTRY_RETURN_IF_ERROR(CheckRange("temperature", request.has_temperature(), request.temperature(),
                                    0, 100, Ends::kBoth));
  GANTRY_RETURN_IF_ERROR(
      CheckRange("top_p", request.has_top_p(), request.top_p(), 0, 1, Ends::kUpper));
  GANTRY_RETURN_IF_ERROR(
      CheckRange("min_p", request.has_min_p(), request.min_p(), 0, 1, Ends::kBoth));
  GANTRY_RETURN_IF_ERROR(CheckRange("repetition_penalty", request.has_repetition_penalty(),
                                    request.repetition_penalty(), 0, 100, Ends::kUpper));
  GANTRY_RETURN_IF_ERROR(CheckRange("presence_penalty", request.has_presence_penalty(),
                                    request.presence_penalty(), -100, 100, Ends::kBoth));
  GANTRY_RETURN_IF_ERROR(CheckRange("frequency_penalty", request.has_frequency_penalty(),
                                    request.frequency_penalty(), -100, 100, Ends::kBoth));
  if (request.has_top_k() && request.top_k() < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("sampling.top_k: expected 0 or more, found ", request.top_k()));
  }
  v1::SequenceParams params;
  const double default_temperature = defaults.do_sample ? defaults.temperature.value_or(1.0) : 0.0;
  params.set_temperature(request.has_temperature() ? request.temperature() : default_temperature);
  params.set_top_k(request.has_top_k() ? request.top_k() : defaults.top_k.value_or(0));
  params.set_top_p(request.has_top_p() ? request.top_p() : defaults.top_p.value_or(1));
  params.set_min_p(request.has_min_p() ? request.min_p() : defaults.min_p.value_or(0));
  params.set_repetition_penalty(request.has_repetition_penalty()
                                    ? request.repetition_penalty()
                                    : defaults.repetition_penalty.value_or(1));
  params.set_presence_penalty(request.presence_penalty());
  params.set_frequency_penalty(request.frequency_penalty());
  params.set_seed(request.has_seed() ? request.seed() : random_seed);
  return params;
}

absl::Status AddLogitBias(const v1::GenerateRequest& request, int64_t vocab_size,
                          v1::SequenceParams* params) {
  if (request.logit_bias_size() > kMaxLogitBiases) {
    return absl::InvalidArgumentError(absl::StrCat("logit_bias: expected at most ", kMaxLogitBiases,
                                                   " tokens, found ", request.logit_bias_size()));
  }
  for (int i = 0; i < request.logit_bias_size(); ++i) {
    const v1::LogitBias& bias = request.logit_bias(i);
    if (bias.token_id() < 0 || bias.token_id() >= vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat("logit_bias[", i,
                                                     "].token_id: expected an id from 0 to ",
                                                     vocab_size - 1, ", found ", bias.token_id()));
    }
    // Written so that NaN fails.
    if (!(bias.bias() >= -kMostLogitBias && bias.bias() <= kMostLogitBias)) {
      return absl::InvalidArgumentError(absl::StrCat("logit_bias[", i, "].bias: expected ",
                                                     -kMostLogitBias, " to ", kMostLogitBias,
                                                     ", found ", bias.bias()));
    }
    v1::TokenBias* const added = params->add_logit_bias();
    added->set_token_id(bias.token_id());
    added->set_bias(bias.bias());
  }
  auto& biases = *params->mutable_logit_bias();
  std::sort(biases.begin(), biases.end(), [](const v1::TokenBias& a, const v1::TokenBias& b) {
    return a.token_id() < b.token_id();
  });
  for (int i = 1; i < biases.size(); ++i) {
    if (biases[i].token_id() == biases[i - 1].token_id()) {
      return absl::InvalidArgumentError(absl::StrCat("logit_bias: expected each token once, found ",
                                                     biases[i].token_id(), " twice"));
    }
  }
  return absl::OkStatus();
}

}  // namespace gantry
