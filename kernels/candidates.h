#ifndef GANTRY_KERNELS_CANDIDATES_H_
#define GANTRY_KERNELS_CANDIDATES_H_

#include <cstdint>
#include <vector>

#include "kernels/sampling.h"

namespace gantry {

// The last steps of drawing a token, from those that temperature and top-k have left.

struct Candidate {
  int32_t id;
  double weight;  // probability before normalisation; the most likely token has 1
};

// exp((score - best) / temperature).
double CandidateWeight(float score, float best, float temperature);

// Keeps the most likely candidates whose weights reach `target`, as few as possible and at least
// one, and orders them by ascending id. Of equal ones the lower id is the more likely.
void KeepMostLikely(double target, std::vector<Candidate>* candidates);

// Drops candidates less likely than min_p times the most likely token.
void DropUnlikely(float min_p, std::vector<Candidate>* candidates);

// A number in [0, 1) that is a function of the request's seed and position.
double UniformDraw(const SampleRequest& request);

// The candidate that the request's draw falls on. candidates: by ascending id, with at least one.
int32_t Draw(const std::vector<Candidate>& candidates, const SampleRequest& request);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CANDIDATES_H_
