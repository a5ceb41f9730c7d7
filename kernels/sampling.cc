#include "kernels/sampling.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

namespace gantry {
namespace {

constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kNever = -std::numeric_limits<float>::infinity();

// Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), with key
// `seed` and counter `position`; 53 bits of it as a number in [0, 1).
double UniformDraw(uint64_t seed, uint64_t position) {
  uint32_t counter[4] = {static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), 0,
                         0};
  uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    const uint32_t next[4] = {
        static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
        static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    std::copy(next, next + 4, counter);
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  const uint64_t bits = uint64_t{counter[0]} << 32 | counter[1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

// Logits after penalties and suppressed tokens. Finite unless suppressed.
std::vector<float> Process(absl::Span<const float> logits, const SampleRequest& request) {
  std::vector<float> scores(logits.begin(), logits.end());
  const SamplingParams& params = request.params;
  const auto in_vocab = [&](int32_t id) {
    return id >= 0 && static_cast<size_t>(id) < scores.size();
  };
  const auto set = [&](int32_t id, float score) {
    scores[id] = std::clamp(score, -kLargest, kLargest);
  };
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
  return scores;
}

int32_t ArgMax(absl::Span<const float> scores) {
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

struct Candidate {
  int32_t id;
  double weight;  // probability before normalisation; the most likely token has 1
};

// Moves the most likely candidates whose weights reach `target`, as few as possible and at least
// one, to the front and returns their number. Linear in the number of candidates: halves are split
// off, not sorted.
size_t MostLikelyFirst(std::vector<Candidate>* candidates, double target) {
  const auto more_likely = [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
  };
  auto first = candidates->begin();
  auto last = candidates->end();
  double kept = 0;  // weight before `first`; what is behind `last` is not needed
  while (last - first > 1) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, more_likely);
    double sum = 0;
    for (auto it = first; it != middle; ++it) sum += it->weight;
    if (kept + sum >= target) {
      last = middle;
    } else {
      kept += sum;
      first = middle;
    }
  }
  return first - candidates->begin() + 1;
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
  const double best = scores[ArgMax(scores)];
  std::vector<Candidate> candidates;
  candidates.reserve(params.top_k > 0 ? 0 : vocab);
  double total = 0;
  for (size_t id = 0; id < vocab; ++id) {
    if (!(scores[id] >= least)) continue;
    const double weight = std::exp((scores[id] - best) / params.temperature);
    candidates.push_back({static_cast<int32_t>(id), weight});
    total += weight;
  }
  if (params.top_p < 1) {
    candidates.resize(MostLikelyFirst(&candidates, params.top_p * total), {});
    std::sort(candidates.begin(), candidates.end(),
              [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  }
  if (params.min_p > 0) {
    const double least_weight = std::min(params.min_p, 1.0f);
    candidates.erase(std::remove_if(candidates.begin(), candidates.end(),
                                    [&](const Candidate& c) { return c.weight < least_weight; }),
                     candidates.end());
  }
  return candidates;
}

int32_t Choose(absl::Span<const float> scores, const SampleRequest& request) {
  const int32_t best = ArgMax(scores);
  // Everything suppressed leaves nothing to draw from; the lowest id stands for that.
  if (!(request.params.temperature > 0) || scores[best] == kNever) return best;
  const std::vector<Candidate> candidates = Candidates(scores, request.params);
  double total = 0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  const double draw = UniformDraw(request.params.seed, request.position) * total;
  double sum = 0;
  int32_t last = best;
  for (const Candidate& candidate : candidates) {
    if (candidate.weight == 0) continue;
    last = candidate.id;
    sum += candidate.weight;
    if (draw < sum) break;
  }
  return last;
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
