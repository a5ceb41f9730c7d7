#include "kernels/candidates.h"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

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

}  // namespace

double CandidateWeight(float score, float best, float temperature) {
  return std::exp((score - static_cast<double>(best)) / temperature);
}

void KeepMostLikely(double target, std::vector<Candidate>* candidates) {
  candidates->resize(MostLikelyFirst(candidates, target), {});
  std::sort(candidates->begin(), candidates->end(),
            [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
}

void DropUnlikely(float min_p, std::vector<Candidate>* candidates) {
  const double least = std::min(min_p, 1.0f);
  candidates->erase(std::remove_if(candidates->begin(), candidates->end(),
                                   [&](const Candidate& c) { return c.weight < least; }),
                    candidates->end());
}

double UniformDraw(const SampleRequest& request) {
  return UniformDraw(request.params.seed, request.position);
}

int32_t Draw(const std::vector<Candidate>& candidates, const SampleRequest& request) {
  double total = 0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  const double draw = UniformDraw(request) * total;
  double sum = 0;
  int32_t last = candidates.front().id;
  for (const Candidate& candidate : candidates) {
    if (candidate.weight == 0) continue;
    last = candidate.id;
    sum += candidate.weight;
    if (draw < sum) break;
  }
  return last;
}

}  // namespace gantry
