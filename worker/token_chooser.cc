#include "worker/token_chooser.h"

#include <algorithm>

#include "base/status_macros.h"

namespace gantry {
namespace {

absl::Span<const uint8_t> MaskOf(const v1::SequenceSlice& slice) {
  const std::string& mask = slice.allowed_tokens();
  return {reinterpret_cast<const uint8_t*>(mask.data()), mask.size()};
}

// Whether the mask has a token that is not an end token.
bool AllowsMoreThan(absl::Span<const int32_t> end_tokens, absl::Span<const uint8_t> mask,
                    int64_t vocab) {
  for (int64_t id = 0; id < vocab; ++id) {
    if (mask[id / 8] == 0) {
      id |= 7;
    } else if ((mask[id / 8] >> id % 8 & 1) != 0 &&
               std::find(end_tokens.begin(), end_tokens.end(), id) == end_tokens.end()) {
      return true;
    }
  }
  return false;
}

std::vector<TokenBias> BiasesOf(const StageSequence& sequence) {
  std::vector<TokenBias> biases;
  for (const v1::TokenBias& bias : sequence.params.logit_bias()) {
    biases.push_back({bias.token_id(), bias.bias()});
  }
  return biases;
}

SampleRequest SamplingRequest(const StageSequence& sequence, const v1::SequenceSlice& slice,
                              absl::Span<const TokenBias> biases, int64_t vocab) {
  const v1::SequenceParams& params = sequence.params;
  SampleRequest request;
  request.params.temperature = params.temperature();
  request.params.top_k = params.top_k();
  request.params.top_p = params.top_p();
  request.params.min_p = params.min_p();
  request.params.repetition_penalty = params.repetition_penalty();
  request.params.presence_penalty = params.presence_penalty();
  request.params.frequency_penalty = params.frequency_penalty();
  request.params.seed = params.seed();
  request.top_logprobs = params.top_logprobs();
  request.position = sequence.token_ids.size();
  const auto tokens = absl::MakeConstSpan(sequence.token_ids);
  const size_t prompt_tokens = std::min<size_t>(params.prompt_tokens(), tokens.size());
  request.prompt = tokens.first(prompt_tokens);
  request.generated = tokens.subspan(prompt_tokens);
  request.biases = biases;
  request.allowed = MaskOf(slice);
  if (request.generated.size() < params.min_new_tokens()) {
    const auto end_tokens =
        absl::MakeConstSpan(params.end_token_ids().data(), params.end_token_ids().size());
    // What may only end ends.
    if (request.allowed.empty() || AllowsMoreThan(end_tokens, request.allowed, vocab)) {
      request.suppressed = end_tokens;
    }
  }
  return request;
}

// The token that follows row `row` of the slice's rows with logits, or -1.
int32_t FollowingToken(const v1::SequenceSlice& slice, int64_t row, int64_t rows) {
  const int64_t next = slice.token_ids_size() - rows + row + 1;
  return next < slice.token_ids_size() ? slice.token_ids(static_cast<int>(next))
                                       : slice.following_token();
}

void ToProto(const TokenLogprob& from, v1::StepLogprob* to) {
  to->set_token_id(from.token_id);
  to->set_logprob(from.logprob);
}

}  // namespace

absl::StatusOr<std::vector<ChosenTokens>> ChooseTokens(absl::Span<const ActiveSlice> slices,
                                                       const Buffer& logits, int64_t vocab,
                                                       Backend* backend) {
  std::vector<SampleRequest> requests;
  std::vector<std::vector<TokenBias>> biases;  // that the requests point to
  biases.reserve(slices.size());
  for (const ActiveSlice& item : slices) {
    biases.push_back(BiasesOf(*item.sequence));
    const v1::SequenceParams& params = item.sequence->params;
    for (int64_t row = 0; row < item.rows; ++row) {
      if (!params.score()) {
        requests.push_back(SamplingRequest(*item.sequence, *item.slice, biases.back(), vocab));
        continue;
      }
      SampleRequest request;
      request.given_token = FollowingToken(*item.slice, row, item.rows);
      request.top_logprobs = params.top_logprobs();
      requests.push_back(request);
    }
  }
  for (SampleRequest& request : requests) {
    request.top_logprobs = static_cast<int32_t>(std::min<int64_t>(request.top_logprobs, vocab));
  }
  std::vector<SampleResult> sampled;
  GANTRY_RETURN_IF_ERROR(backend->Sample(logits, vocab, requests, &sampled));

  std::vector<ChosenTokens> chosen(slices.size());
  size_t next = 0;
  for (size_t i = 0; i < slices.size(); ++i) {
    const ActiveSlice& item = slices[i];
    chosen[i].result.set_sequence(item.slice->sequence());
    for (int64_t row = 0; row < item.rows; ++row) {
      const SampleResult& result = sampled[next];
      const bool nothing_follows = item.sequence->params.score() && requests[next].given_token < 0;
      ++next;
      chosen[i].finite &= result.finite;
      if (nothing_follows) continue;
      v1::StepToken* token = chosen[i].result.add_tokens();
      ToProto(result.token, token->mutable_token());
      for (const TokenLogprob& top : result.top) ToProto(top, token->add_top());
    }
  }
  return chosen;
}

}  // namespace gantry
