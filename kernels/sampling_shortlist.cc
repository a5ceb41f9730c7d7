#include "kernels/sampling_shortlist.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/candidates.h"

namespace gantry {
namespace {

constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kNever = -std::numeric_limits<float>::infinity();

// Listed beyond top_k, so that tokens equal to the last are seen to have ended.
constexpr int32_t kTies = 64;

// Sums of the same weights in another order, here and on the device, differ by less than this share
// of them: 2^20 tokens at 2^-53 each.
constexpr double kSlack = 0x1p-32;

bool Draws(const SampleRequest& request) {
  return request.given_token < 0 && request.params.temperature > 0;
}
bool CutsByRank(const SamplingParams& params, int64_t vocab) {
  return params.top_k > 0 && params.top_k < vocab;
}

// The request's biases and penalties, each token of the vocabulary once.
void AppendPenalties(const SampleRequest& request, int64_t vocab,
                     std::vector<TokenPenalty>* penalties) {
  std::vector<TokenPenalty> all;
  const auto add = [&](absl::Span<const int32_t> ids, const TokenPenalty& penalty) {
    for (int32_t id : ids) {
      if (id < 0 || id >= vocab) continue;
      all.push_back(penalty);
      all.back().token = id;
    }
  };
  const SamplingParams& params = request.params;
  if (params.repetition_penalty != 1) {
    add(request.prompt, {.seen = true});
    add(request.generated, {.seen = true});
  }
  if (params.presence_penalty != 0 || params.frequency_penalty != 0) {
    add(request.generated, {.generated = 1});
  }
  add(request.suppressed, {.suppressed = true});
  for (const TokenBias& bias : request.biases) add({&bias.token_id, 1}, {.bias = bias.bias});
  std::sort(all.begin(), all.end(),
            [](const TokenPenalty& a, const TokenPenalty& b) { return a.token < b.token; });
  for (size_t i = 0; i < all.size(); ++i) {
    if (i == 0 || all[i].token != all[i - 1].token) {
      penalties->push_back(all[i]);
      continue;
    }
    penalties->back().bias += all[i].bias;  // of one of them at most
    penalties->back().generated += all[i].generated;
    penalties->back().seen |= all[i].seen;
    penalties->back().suppressed |= all[i].suppressed;
  }
}

// Appends the request's mask, if it has one, and returns its number, or -1.
int32_t AppendMask(const SampleRequest& request, int64_t vocab, std::vector<uint32_t>* masks) {
  if (request.allowed.empty()) return -1;
  const size_t at = masks->size();
  masks->resize(at + MaskWords(vocab));
  // Little-endian: token i is bit i % 32 of word i / 32.
  std::memcpy(masks->data() + at, request.allowed.data(), request.allowed.size());
  return static_cast<int32_t>(at / MaskWords(vocab));
}

// The candidates that SampleRow would draw from, by ascending id; empty if the shortlist does not
// hold them all.
std::vector<Candidate> Candidates(const SamplingParams& params, int64_t vocab,
                                  const SampleFinding& found) {
  const absl::Span<const ShortlistToken> list = found.shortlist;
  if (list.empty()) return {};
  // Whether it has every token that could be chosen.
  const bool whole = static_cast<int64_t>(list.size()) == vocab || found.outcome.complete ||
                     list.back().score == kNever;
  // Tokens that are not listed have this score at most.
  const float rest = whole ? kNever : list.back().score;
  const auto weight_of = [&](float score) {
    return CandidateWeight(score, found.outcome.best_score, params.temperature);
  };
  const double rest_weight = weight_of(rest);

  std::vector<Candidate> candidates;
  const bool by_rank = CutsByRank(params, vocab);
  float least = -kLargest;
  if (by_rank) {
    const bool reaches_rank = static_cast<int64_t>(list.size()) >= params.top_k;
    if (!reaches_rank && !whole) return {};
    if (reaches_rank) least = std::max(least, list[params.top_k - 1].score);
    if (rest >= least) return {};
  }
  double total = 0;
  for (const ShortlistToken& token : list) {
    if (token.score < least) break;
    candidates.push_back({token.id, weight_of(token.score)});
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  const bool all = by_rank || whole;  // nothing else could be chosen but for what follows
  if (all) {
    for (const Candidate& candidate : candidates) total += candidate.weight;
  } else {
    total = found.outcome.total;
  }
  if (params.top_p < 1) {
    const double target = params.top_p * total;
    if (!all) {
      // The cut must come before the end of the list and be clear of rounding.
      double sum = 0;
      double before = 0;
      double last = 0;
      for (const ShortlistToken& token : list) {
        last = weight_of(token.score);
        before = sum;
        sum += last;
        if (sum >= target) break;
      }
      if (sum < target * (1 + kSlack) || last <= rest_weight) return {};
      if (before > 0 && before >= target * (1 - kSlack)) return {};
    }
    KeepMostLikely(target, &candidates);
  } else if (!all && !(params.min_p > 0 && rest_weight < std::min(params.min_p, 1.0f))) {
    return {};
  }
  if (params.min_p > 0) DropUnlikely(params.min_p, &candidates);
  return candidates;
}

// The token drawn from the whole vocabulary, if the device's sums leave no doubt.
std::optional<int32_t> DrawnOnDevice(const SampleOutcome& outcome, double uniform) {
  const double draw = uniform * outcome.total;
  const double slack = kSlack * outcome.total;
  if (outcome.drawn < 0 || !(draw >= outcome.drawn_begin + slack || outcome.drawn_begin == 0) ||
      !(draw < outcome.drawn_end - slack)) {
    return std::nullopt;
  }
  return outcome.drawn;
}

}  // namespace

SamplePlan PlanSampling(absl::Span<const SampleRequest> requests, int64_t vocab) {
  SamplePlan plan;
  for (size_t i = 0; i < requests.size(); ++i) {
    const SampleRequest& request = requests[i];
    const SamplingParams& params = request.params;
    SampleJob job;
    job.row = static_cast<int32_t>(i);
    job.given_token = request.given_token;
    job.repetition_penalty = params.repetition_penalty;
    job.presence_penalty = params.presence_penalty;
    job.frequency_penalty = params.frequency_penalty;
    job.first_penalty = static_cast<int32_t>(plan.penalties.size());
    if (request.given_token < 0) {
      AppendPenalties(request, vocab, &plan.penalties);
      job.mask = AppendMask(request, vocab, &plan.masks);
    }
    job.penalties = static_cast<int32_t>(plan.penalties.size()) - job.first_penalty;
    int32_t listed = 0;
    if (Draws(request)) {
      job.temperature = params.temperature;
      job.uniform = UniformDraw(request);
      const bool by_rank = CutsByRank(params, vocab);
      const bool by_mass = params.top_p < 1;
      const bool by_weight = params.min_p > 0;
      job.wants_draw = !by_rank && !by_mass && !by_weight;
      job.wants_total = !by_rank && by_mass;
      if (by_rank) {
        listed = std::min(params.top_k, kMostShortlisted - kTies) + kTies;
      } else if (by_mass || by_weight) {
        listed = kMostShortlisted;
      }
    }
    const bool shares_top = job.penalties == 0 && job.mask < 0;
    const int32_t top = std::min(request.top_logprobs, kMostShortlisted);
    if (shares_top) listed = std::max(listed, top);
    job.wants_shortlist = listed > 0;
    plan.choice_jobs.push_back(static_cast<int32_t>(plan.jobs.size()));
    plan.jobs.push_back(job);
    if (!shares_top && top > 0) {
      SampleJob logits;
      logits.row = job.row;
      logits.wants_shortlist = true;
      listed = std::max(listed, top);
      plan.jobs.push_back(logits);
    }
    plan.top_jobs.push_back(static_cast<int32_t>(plan.jobs.size()) - 1);
    plan.shortlist = std::max(plan.shortlist, listed);
  }
  plan.shortlist = static_cast<int32_t>(std::min<int64_t>(plan.shortlist, vocab));
  return plan;
}

std::optional<SampleResult> FinishSampling(const SampleRequest& request, int64_t vocab,
                                           const SampleFinding& choice, const SampleFinding& top) {
  const SampleOutcome& outcome = choice.outcome;
  SampleResult result;
  if (!outcome.finite) {
    result.finite = false;
    return result;
  }
  const auto with_logprob = [&](int32_t id, float logit) {
    return TokenLogprob{id, static_cast<float>(logit - outcome.log_sum)};
  };
  const SamplingParams& params = request.params;
  if (request.given_token >= 0) {
    result.token = with_logprob(request.given_token, outcome.given_logit);
  } else if (!Draws(request) || outcome.best_score == kNever) {
    result.token = with_logprob(outcome.best, outcome.best_logit);
  } else if (const std::vector<Candidate> candidates = Candidates(params, vocab, choice);
             !candidates.empty()) {
    const int32_t id = Draw(candidates, request);
    const auto token = std::find_if(choice.shortlist.begin(), choice.shortlist.end(),
                                    [&](const ShortlistToken& t) { return t.id == id; });
    result.token = with_logprob(id, token->logit);
  } else if (!CutsByRank(params, vocab) && !(params.top_p < 1) && !(params.min_p > 0)) {
    const std::optional<int32_t> id = DrawnOnDevice(outcome, UniformDraw(request));
    if (!id.has_value()) return std::nullopt;
    result.token = with_logprob(*id, outcome.drawn_logit);
  } else {
    return std::nullopt;
  }
  if (request.top_logprobs > static_cast<int64_t>(top.shortlist.size())) return std::nullopt;
  for (int32_t i = 0; i < request.top_logprobs; ++i) {
    result.top.push_back(with_logprob(top.shortlist[i].id, top.shortlist[i].logit));
  }
  return result;
}

}  // namespace gantry
