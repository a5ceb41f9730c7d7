#include "worker/token_chooser.h"

#include <algorithm>

#include "base/status_macros.h"

namespace gantry {
namespace {

SampleRequest SamplingRequest(const StageSequence& sequence) {
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
  if (request.generated.size() < params.min_new_tokens()) {
    request.suppressed =
        absl::MakeConstSpan(params.end_token_ids().data(), params.end_token_ids().size());
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
  for (const ActiveSlice& item : slices) {
    const v1::SequenceParams& params = item.sequence->params;
    for (int64_t row = 0; row < item.rows; ++row) {
      if (!params.score()) {
        requests.push_back(SamplingRequest(*item.sequence));
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
