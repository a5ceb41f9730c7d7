#include "coordinator/sampling.h"

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

}  // namespace gantry
