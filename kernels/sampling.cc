#include "kernels/sampling.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "kernels/candidates.h"

namespace gantry {
namespace {

constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kNever = -std::numeric_limits<float>::infinity();

// Logits after biases, penalties and tokens that must not be chosen. Finite unless not to be
// chosen.
std::vector<float> Process(absl::Span<const float> logits, const SampleRequest& request) {
  std::vector<float> scores(logits.begin(), logits.end());
  const SamplingParams& params = request.params;
  const auto in_vocab = [&](int32_t id) {
    return id >= 0 && static_cast<size_t>(id) < scores.size();
  };
  const auto set = [&](int32_t id, float score) {
    scores[id] = std::clamp(score, -kLargest, kLargest);
  };
  for (const TokenBias& bias : request.biases) {
    if (in_vocab(bias.token_id)) set(bias.token_id, scores[bias.token_id] + bias.bias);
  }
  if (params.repetition_penalty != 1) {
    std::vector<int32_t> seen(request.prompt.begin(), request.prompt.end());
    seen.insert(seen.end(), request.generated.begin(), request.generated.end());
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    for (int32_t id : seen) {
      if (!in_vocab(id)) continue;
      set(id, scores[id] < 0 ? scores[id] * params.repetition_penalty
                             : scores[id] / params.repetition_penalty);
    }
  }
  if (params.presence_penalty != 0 || params.frequency_penalty != 0) {
    std::map<int32_t, int> counts;
    for (int32_t id : request.generated) ++counts[id];
    for (const auto& [id, count] : counts) {
      if (!in_vocab(id)) continue;
      set(id, scores[id] - params.presence_penalty - params.frequency_penalty * count);
    }
  }
  for (int32_t id : request.suppressed) {
    if (in_vocab(id)) scores[id] = kNever;
  }
  for (size_t id = 0; !request.allowed.empty() && id < scores.size(); ++id) {
    if ((request.allowed[id / 8] >> id % 8 & 1) == 0) scores[id] = kNever;
  }
  return scores;
}

int32_t ArgMax(absl::Span<const float> scores) {
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

// Tokens that may be chosen, by ascending id.
std::vector<Candidate> Candidates(absl::Span<const float> scores, const SamplingParams& params) {
  const size_t vocab = scores.size();
  float least = -kLargest;
  if (params.top_k > 0 && static_cast<size_t>(params.top_k) < vocab) {
    // Ties with the k-th stay, as in transformers.
    std::vector<float> sorted(scores.begin(), scores.end());
    std::nth_element(sorted.begin(), sorted.begin() + params.top_k - 1, sorted.end(),
                     std::greater<float>());
    least = std::max(least, sorted[params.top_k - 1]);
  }
  const float best = scores[ArgMax(scores)];
  std::vector<Candidate> candidates;
  candidates.reserve(params.top_k > 0 ? 0 : vocab);
  double total = 0;
  for (size_t id = 0; id < vocab; ++id) {
    if (!(scores[id] >= least)) continue;
    const double weight = CandidateWeight(scores[id], best, params.temperature);
    candidates.push_back({static_cast<int32_t>(id), weight});
    total += weight;
  }
  if (params.top_p < 1) KeepMostLikely(params.top_p * total, &candidates);
  if (params.min_p > 0) DropUnlikely(params.min_p, &candidates);
  return candidates;
}

int32_t Choose(absl::Span<const float> scores, const SampleRequest& request) {
  const int32_t best = ArgMax(scores);
  // Everything suppressed leaves nothing to draw from; the lowest id stands for that.
  if (!(request.params.temperature > 0) || scores[best] == kNever) return best;
  return Draw(Candidates(scores, request.params), request);
}

}  // namespace

SampleResult SampleRow(absl::Span<const float> logits, const SampleRequest& request) {
  SampleResult result;
  float max = kNever;
  bool finite = !logits.empty();
  for (float logit : logits) {
    finite &= std::isfinite(logit);
    max = std::max(max, logit);
  }
  if (!finite) {
    result.finite = false;
    return result;
  }
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit) - max);
  const double log_sum = max + std::log(sum);
  const auto with_logprob = [&](int32_t id) {
    return TokenLogprob{id, static_cast<float>(logits[id] - log_sum)};
  };

  if (request.given_token >= 0) {
    result.token = with_logprob(request.given_token);
  } else {
    result.token = with_logprob(Choose(Process(logits, request), request));
  }
  if (request.top_logprobs > 0) {
    std::vector<int32_t> ids(logits.size());
    std::iota(ids.begin(), ids.end(), 0);
    const size_t count = std::min<size_t>(request.top_logprobs, ids.size());
    std::partial_sort(ids.begin(), ids.begin() + count, ids.end(), [&](int32_t a, int32_t b) {
      return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    });
    for (size_t i = 0; i < count; ++i) result.top.push_back(with_logprob(ids[i]));
  }
  return result;
}

}  // namespace gantry
