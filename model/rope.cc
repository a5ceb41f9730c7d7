#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/config_fields.h"

namespace gantry {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

// theta^(-2i / dim), with every intermediate value rounded to float. The power itself is taken in
// double: torch's is within one unit of the last place, and so is the nearest float.
float Power(float theta, int64_t i, int64_t dim) {
  const float exponent = static_cast<float>(2 * i) / static_cast<float>(dim);
  return static_cast<float>(std::pow(static_cast<double>(theta), static_cast<double>(exponent)));
}

// The base that suits `length` tokens. torch evaluates it in float once a sequence has outgrown
// max_position_embeddings; up to there the base is theta itself.
float DynamicTheta(const ModelConfig& config, int64_t dim, int64_t length) {
  const int64_t max = config.max_position_embeddings;
  const float theta = static_cast<float>(config.rope.theta);
  if (length <= max) return theta;
  const float factor = static_cast<float>(config.rope.factor);
  const float stretch = factor * static_cast<float>(length) / static_cast<float>(max) -
                        static_cast<float>(config.rope.factor - 1);
  const double exponent = static_cast<double>(dim) / static_cast<double>(dim - 2);
  return theta * static_cast<float>(std::pow(static_cast<double>(stretch),
                                             static_cast<double>(static_cast<float>(exponent))));
}

// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, those between
// interpolated.
float Llama3Frequency(const RopeConfig& rope, float inv_freq) {
  const double context = static_cast<double>(rope.original_max_position_embeddings);
  const float factor = static_cast<float>(rope.factor);
  const float low = static_cast<float>(rope.low_freq_factor);
  const float wavelength = (1.0f / inv_freq) * static_cast<float>(2 * M_PI);
  if (wavelength > static_cast<float>(context / rope.low_freq_factor)) return inv_freq / factor;
  if (wavelength < static_cast<float>(context / rope.high_freq_factor)) return inv_freq;
  const float smooth = ((1.0f / wavelength) * static_cast<float>(context) - low) /
                       static_cast<float>(rope.high_freq_factor - rope.low_freq_factor);
  return (1.0f - smooth) * inv_freq / factor + smooth * inv_freq;
}

float LongRopeScale(const RopeConfig& rope) {
  if (rope.attention_factor.has_value()) return static_cast<float>(*rope.attention_factor);
  if (rope.factor <= 1) return 1;
  return static_cast<float>(
      std::sqrt(1 + std::log(rope.factor) /
                        std::log(static_cast<double>(rope.original_max_position_embeddings))));
}

}  // namespace

RopeFrequencies ComputeRope(const ModelConfig& config, int64_t length) {
  const RopeConfig& rope = config.rope;
  const int64_t dim = RotaryDim(config.head_dim, rope);
  const float theta = rope.type == RopeConfig::Type::kDynamic ? DynamicTheta(config, dim, length)
                                                              : static_cast<float>(rope.theta);
  const bool is_long = length > rope.original_max_position_embeddings;

  RopeFrequencies out;
  out.inv_freq.resize(dim / 2);
  for (int64_t i = 0; i < dim / 2; ++i) {
    const float power = Power(theta, i, dim);
    float& inv_freq = out.inv_freq[i];
    inv_freq = 1.0f / power;
    switch (rope.type) {
      case RopeConfig::Type::kDefault:
      case RopeConfig::Type::kDynamic:
        break;
      case RopeConfig::Type::kLinear:
        inv_freq /= static_cast<float>(rope.factor);
        break;
      case RopeConfig::Type::kLlama3:
        inv_freq = Llama3Frequency(rope, inv_freq);
        break;
      case RopeConfig::Type::kLongRope:
        inv_freq =
            1.0f /
            (static_cast<float>(is_long ? rope.long_factor[i] : rope.short_factor[i]) * power);
        break;
    }
  }
  if (rope.type == RopeConfig::Type::kLongRope) out.scale = LongRopeScale(rope);
  return out;
}

int64_t RopeValidUpTo(const ModelConfig& config, int64_t length) {
  switch (config.rope.type) {
    case RopeConfig::Type::kDynamic:
      return std::max(length, config.max_position_embeddings);
    case RopeConfig::Type::kLongRope: {
      const int64_t original = config.rope.original_max_position_embeddings;
      return length <= original ? original : kForever;
    }
    default:
      return kForever;
  }
}

}  // namespace gantry
