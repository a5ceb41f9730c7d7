#include "worker/step_check.h"

#include <cmath>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/dtype.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

constexpr int kMaxTopLogprobs = 20;
constexpr int kMaxEndTokens = 1024;
constexpr int kMaxLogitBiases = 1024;
constexpr int kMostBias = 100;

absl::Status Wrong(absl::string_view what, absl::string_view expected, double found) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": expected ", expected, ", found ", found));
}

absl::Status CheckRange(absl::string_view what, double value, double min, double max) {
  if (value >= min && value <= max) return absl::OkStatus();  // false for NaN
  return Wrong(what, absl::StrCat("a number in [", min, ", ", max, "]"), value);
}

absl::Status CheckPositive(absl::string_view what, double value, double max) {
  if (value > 0 && value <= max) return absl::OkStatus();
  return Wrong(what, absl::StrCat("a number in (0, ", max, "]"), value);
}

absl::Status CheckTokenId(absl::string_view what, int32_t id, const StageLimits& limits) {
  return CheckRange(what, id, 0, static_cast<double>(limits.vocab_size - 1));
}

absl::Status CheckLogitBias(const v1::SequenceParams& params, const StageLimits& limits) {
  GANTRY_RETURN_IF_ERROR(
      CheckRange("number of logit_bias", params.logit_bias_size(), 0, kMaxLogitBiases));
  int32_t last = -1;
  for (const v1::TokenBias& bias : params.logit_bias()) {
    GANTRY_RETURN_IF_ERROR(CheckTokenId("logit_bias: token_id", bias.token_id(), limits));
    GANTRY_RETURN_IF_ERROR(CheckRange("logit_bias: bias", bias.bias(), -kMostBias, kMostBias));
    if (bias.token_id() <= last) {
      return Wrong("logit_bias: token_id", absl::StrCat("more than ", last, ", the one before"),
                   bias.token_id());
    }
    last = bias.token_id();
  }
  return absl::OkStatus();
}

absl::Status CheckAllowedTokens(const v1::SequenceSlice& slice, const StageLimits& limits) {
  const std::string& mask = slice.allowed_tokens();
  if (mask.empty()) return absl::OkStatus();
  if (slice.logit_rows() != 1) {
    return Wrong("allowed_tokens: logit_rows", "1, the row to sample", slice.logit_rows());
  }
  const size_t bytes = static_cast<size_t>(limits.vocab_size + 7) / 8;
  if (mask.size() != bytes) {
    return Wrong(absl::StrCat("allowed_tokens: bytes of a vocabulary of ", limits.vocab_size),
                 absl::StrCat(bytes), static_cast<double>(mask.size()));
  }
  // The last byte's bits behind the vocabulary mean nothing.
  const int last = 0xff >> (8 * bytes - limits.vocab_size);
  const bool any = mask.find_first_not_of('\0') < bytes - 1 || (mask.back() & last) != 0;
  if (any) return absl::OkStatus();
  return absl::InvalidArgumentError("allowed_tokens: expected at least one token, found none");
}

absl::Status CheckParams(const v1::SequenceParams& params, const StageLimits& limits) {
  GANTRY_RETURN_IF_ERROR(CheckRange("temperature", params.temperature(), 0, 100));
  GANTRY_RETURN_IF_ERROR(CheckRange("top_k", params.top_k(), 0, INT32_MAX));
  GANTRY_RETURN_IF_ERROR(CheckPositive("top_p", params.top_p(), 1));
  GANTRY_RETURN_IF_ERROR(CheckRange("min_p", params.min_p(), 0, 1));
  GANTRY_RETURN_IF_ERROR(CheckPositive("repetition_penalty", params.repetition_penalty(), 100));
  GANTRY_RETURN_IF_ERROR(CheckRange("presence_penalty", params.presence_penalty(), -100, 100));
  GANTRY_RETURN_IF_ERROR(CheckRange("frequency_penalty", params.frequency_penalty(), -100, 100));
  GANTRY_RETURN_IF_ERROR(CheckRange("top_logprobs", params.top_logprobs(), 0, kMaxTopLogprobs));
  GANTRY_RETURN_IF_ERROR(
      CheckRange("prompt_tokens", params.prompt_tokens(), 1, static_cast<double>(limits.context)));
  GANTRY_RETURN_IF_ERROR(
      CheckRange("number of end_token_ids", params.end_token_ids_size(), 0, kMaxEndTokens));
  for (const int32_t id : params.end_token_ids()) {
    GANTRY_RETURN_IF_ERROR(CheckTokenId("end_token_ids", id, limits));
  }
  return CheckLogitBias(params, limits);
}

absl::Status CheckPayload(const StepFrame& frame, uint64_t expected_rows,
                          const StageLimits& limits) {
  const v1::StepHeader& header = frame.header;
  if (limits.input == StageLimits::Input::kTokenIds) expected_rows = 0;
  if (header.rows() != expected_rows) {
    return absl::InvalidArgumentError(absl::StrCat("step frame: rows: expected ", expected_rows,
                                                   " by its slices, found ", header.rows()));
  }
  const size_t found_bytes = frame.payload_bytes();
  if (expected_rows == 0) {
    if (found_bytes == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("step frame: expected no payload, found ", found_bytes, " bytes"));
  }
  const std::optional<DType> dtype = DTypeFromSafetensors(header.dtype());
  if (!dtype.has_value() || !IsFloat(*dtype)) {
    return absl::InvalidArgumentError(
        absl::StrCat("step frame: dtype: expected F32, BF16 or F16, found \"",
                     header.dtype().substr(0, 16), "\""));
  }
  if (header.cols() != limits.hidden_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("step frame: cols: expected ", limits.hidden_size, ", found ", header.cols()));
  }
  uint64_t bytes;
  if (!CheckedMultiply(header.rows(), header.cols(), &bytes) ||
      !CheckedMultiply(bytes, DTypeSize(*dtype), &bytes) || bytes != found_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("step frame: payload of ", header.rows(), " x ",
                                                   header.cols(), " ", header.dtype(), ", found ",
                                                   found_bytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

int64_t InputRows(const v1::SequenceSlice& slice, StageLimits::Input input) {
  switch (input) {
    case StageLimits::Input::kTokenIds:
    case StageLimits::Input::kTokenRows:
      return slice.token_ids_size();
    case StageLimits::Input::kLogitRows:
      return slice.logit_rows();
  }
  return 0;
}

absl::Status CheckFrame(const StepFrame& frame, const StageLimits& limits) {
  const v1::StepHeader& header = frame.header;
  if (header.epoch() != limits.epoch) {
    return absl::InvalidArgumentError(
        absl::StrCat("step frame: epoch: expected ", limits.epoch, ", found ", header.epoch()));
  }
  if (header.stage() != limits.stage) {
    return absl::InvalidArgumentError(
        absl::StrCat("step frame: stage: expected ", limits.stage, ", found ", header.stage()));
  }
  if (header.slices_size() > limits.max_step_tokens) {
    return absl::InvalidArgumentError(absl::StrCat("step frame: slices: expected at most ",
                                                   limits.max_step_tokens, ", found ",
                                                   header.slices_size()));
  }
  // One of each stage before this one, of which some may not tell.
  if (header.costs_size() > static_cast<int64_t>(limits.stage)) {
    return absl::InvalidArgumentError(absl::StrCat("step frame: costs: expected at most ",
                                                   limits.stage, ", found ", header.costs_size()));
  }
  uint64_t tokens = 0;
  uint64_t logit_rows = 0;
  uint64_t input_rows = 0;
  absl::flat_hash_set<uint64_t> sequences;
  for (const v1::SequenceSlice& slice : header.slices()) {
    if (!sequences.insert(slice.sequence()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("step frame: sequence ", slice.sequence(), " is named by two slices"));
    }
    if (!slice.error().empty()) continue;
    tokens += slice.token_ids_size();
    logit_rows += slice.logit_rows();
    input_rows += InputRows(slice, limits.input);
  }
  if (tokens > static_cast<uint64_t>(limits.max_step_tokens)) {
    return absl::InvalidArgumentError(absl::StrCat("step frame: tokens: expected at most ",
                                                   limits.max_step_tokens, ", found ", tokens));
  }
  if (logit_rows > static_cast<uint64_t>(limits.max_step_rows)) {
    return absl::InvalidArgumentError(absl::StrCat("step frame: logit_rows: expected at most ",
                                                   limits.max_step_rows, ", found ", logit_rows));
  }
  return CheckPayload(frame, input_rows, limits);
}

absl::Status CheckSlice(const v1::SequenceSlice& slice, const StageLimits& limits) {
  if (slice.token_ids_size() == 0) return absl::InvalidArgumentError("token_ids: there are none");
  const bool fed_back = limits.feeds_back && slice.token_ids_size() == 1 && slice.start() > 0 &&
                        slice.token_ids(0) == kSampledToken;
  for (const int32_t id : slice.token_ids()) {
    if (!fed_back) GANTRY_RETURN_IF_ERROR(CheckTokenId("token_ids", id, limits));
  }
  const double context = static_cast<double>(limits.context);
  GANTRY_RETURN_IF_ERROR(CheckRange("position of the last token",
                                    double{1.0} * slice.start() + slice.token_ids_size(), 1,
                                    context));
  GANTRY_RETURN_IF_ERROR(CheckRange("rope_length", slice.rope_length(), 1, context));
  GANTRY_RETURN_IF_ERROR(CheckRange("logit_rows", slice.logit_rows(), 0, slice.token_ids_size()));
  if (slice.following_token() != -1) {
    GANTRY_RETURN_IF_ERROR(CheckTokenId("following_token", slice.following_token(), limits));
  }
  GANTRY_RETURN_IF_ERROR(CheckAllowedTokens(slice, limits));
  if (slice.start() > 0 && slice.prefix_token_ids().empty()) return absl::OkStatus();
  if (slice.prefix_token_ids_size() != slice.start()) {
    return Wrong("number of prefix_token_ids", absl::StrCat("start, ", slice.start()),
                 slice.prefix_token_ids_size());
  }
  for (const int32_t id : slice.prefix_token_ids()) {
    GANTRY_RETURN_IF_ERROR(CheckTokenId("prefix_token_ids", id, limits));
  }
  if (!slice.has_params()) {
    return absl::InvalidArgumentError("params: expected with the slice that begins a sequence");
  }
  return CheckParams(slice.params(), limits);
}

}  // namespace gantry
