#include "worker/weight_source.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "base/bytes.h"
#include "base/dtype.h"

namespace gantry {
namespace {

class CheckpointSource : public WeightSource {
 public:
  explicit CheckpointSource(const Checkpoint* checkpoint) : checkpoint_(checkpoint) {}

  absl::Status Read(const TensorSpec& tensor, int64_t first, int64_t count,
                    float* out) const override {
    return checkpoint_->ReadTensor(tensor.name, first, count, out);
  }
  int ElementBytes(const TensorSpec& tensor) const override {
    return DTypeSize(checkpoint_->TensorDType(tensor.name));
  }

 private:
  const Checkpoint* checkpoint_;
};

// Sebastiano Vigna's SplitMix64, as a function of its counter.
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

class DummySource : public WeightSource {
 public:
  explicit DummySource(uint64_t seed) : seed_(seed) {}

  absl::Status Read(const TensorSpec& tensor, int64_t first, int64_t count,
                    float* out) const override {
    const uint64_t stream = Mix(seed_ ^ Fnv1a(tensor.name));
    const float mean = absl::EndsWith(tensor.name, "norm.weight") ? 1.0f : 0.0f;
    const int64_t end = first + count;
    for (int64_t i = first; i < end;) {
      // One word makes elements 2k and 2k + 1.
      const uint64_t word = Mix(stream + static_cast<uint64_t>(i >> 1));
      constexpr uint64_t kEvenBytes = 0x00ff00ff00ff00ff;
      uint64_t sums = (word & kEvenBytes) + ((word >> 8) & kEvenBytes);
      sums += sums >> 16;
      const float pair[2] = {Scale(sums & 0xffff), Scale((sums >> 32) & 0xffff)};
      for (int lane = static_cast<int>(i & 1); lane < 2 && i < end; ++lane, ++i) {
        *out++ = mean + pair[lane];
      }
    }
    return absl::OkStatus();
  }
  int ElementBytes(const TensorSpec&) const override { return sizeof(float); }

 private:
  static float Scale(uint64_t sum) {
    return (static_cast<float>(static_cast<int32_t>(sum)) - kSumMean) *
           (kDeviation / kSumDeviation);
  }
  const uint64_t seed_;
};

}  // namespace

std::unique_ptr<WeightSource> MakeCheckpointSource(const Checkpoint* checkpoint) {
  return std::make_unique<CheckpointSource>(checkpoint);
}

std::unique_ptr<WeightSource> MakeDummySource(uint64_t seed) {
  return std::make_unique<DummySource>(seed);
}

}  // namespace gantry
