#ifndef GANTRY_BASE_DUMMY_WEIGHTS_H_
#define GANTRY_BASE_DUMMY_WEIGHTS_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace gantry {

// Random weights that are the same wherever they are made: element i is a function of (stream, i).
// With mix(x) = the finaliser of Sebastiano Vigna's SplitMix64 after a multiplication by
// 0x9e3779b97f4a7c15, elements 2k and 2k + 1 come from the even and the odd half of
// mix(stream + k): the sum of four bytes, less 510, times deviation / 147.8, plus `mean`.
struct DummyWeights {
  uint64_t stream = 0;
  float mean = 0;
};

// Those of a tensor: 1 on average for the weight of a norm, 0 otherwise.
DummyWeights DummyWeightsOf(uint64_t seed, absl::string_view tensor);
// Elements [first, first + count).
void FillDummyWeights(const DummyWeights& weights, int64_t first, int64_t count, float* out);

}  // namespace gantry

#endif  // GANTRY_BASE_DUMMY_WEIGHTS_H_
