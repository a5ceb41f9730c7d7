#include "base/dummy_weights.h"

#include "absl/strings/match.h"
#include "base/bytes.h"

namespace gantry {
namespace {

uint64_t Mix(uint64_t x) {
  x *= 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

constexpr float kDeviation = 0.02f;
// The sum of four bytes has mean 510 and this deviation, sqrt(4 * (256^2 - 1) / 12).
constexpr float kSumMean = 510.0f;
constexpr float kSumDeviation = 147.8f;

float Scale(uint64_t sum) {
  return (static_cast<float>(static_cast<int32_t>(sum)) - kSumMean) * (kDeviation / kSumDeviation);
}

}  // namespace

DummyWeights DummyWeightsOf(uint64_t seed, absl::string_view tensor) {
  return {Mix(seed ^ Fnv1a(tensor)), absl::EndsWith(tensor, "norm.weight") ? 1.0f : 0.0f};
}

void FillDummyWeights(const DummyWeights& weights, int64_t first, int64_t count, float* out) {
  const int64_t end = first + count;
  for (int64_t i = first; i < end;) {
    const uint64_t word = Mix(weights.stream + static_cast<uint64_t>(i >> 1));
    constexpr uint64_t kEvenBytes = 0x00ff00ff00ff00ff;
    uint64_t sums = (word & kEvenBytes) + ((word >> 8) & kEvenBytes);
    sums += sums >> 16;
    const float pair[2] = {Scale(sums & 0xffff), Scale((sums >> 32) & 0xffff)};
    for (int lane = static_cast<int>(i & 1); lane < 2 && i < end; ++lane, ++i) {
      *out++ = weights.mean + pair[lane];
    }
  }
}

}  // namespace gantry
