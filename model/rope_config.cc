#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/architecture.h"
#include "model/config_fields.h"

namespace gantry {
namespace {

constexpr double kMinFactor = 1e-3;
constexpr double kMaxFactor = 1e6;
constexpr double kMaxTheta = 1e15;
constexpr int64_t kMaxPositions = int64_t{1} << 30;

// The object that holds the scaling, and its name; null when there is none. transformers lets the
// old name win when both are there.
std::pair<const Json*, absl::string_view> FindScaling(const Json& json) {
  for (const absl::string_view name : {"rope_scaling", "rope_parameters"}) {
    const Json* member = FindMember(json, name);
    if (member != nullptr && !(member->is_object() && member->empty())) return {member, name};
  }
  return {nullptr, ""};
}

absl::StatusOr<RopeConfig::Type> ParseType(const Json& scaling) {
  GANTRY_ASSIGN_OR_RETURN(const std::string old_form, GetStringOr(scaling, "type", "default"));
  GANTRY_ASSIGN_OR_RETURN(const std::string name, GetStringOr(scaling, "rope_type", old_form));
  if (name == "default") return RopeConfig::Type::kDefault;
  if (name == "linear") return RopeConfig::Type::kLinear;
  if (name == "dynamic") return RopeConfig::Type::kDynamic;
  if (name == "llama3") return RopeConfig::Type::kLlama3;
  // Phi-3's first checkpoints call it "su".
  if (name == "longrope" || name == "su") return RopeConfig::Type::kLongRope;
  return absl::UnimplementedError(absl::StrCat(
      "rope_type: \"", Excerpt(name),
      "\" is not supported; supported are default, linear, dynamic, llama3, longrope"));
}

absl::StatusOr<std::vector<double>> ParseFactors(const Json& scaling, absl::string_view key,
                                                 int64_t length) {
  const Json* member = FindMember(scaling, key);
  if (member == nullptr || !member->is_array() || static_cast<int64_t>(member->size()) != length) {
    return WrongField(
        key, absl::StrCat("a list of ", length, " numbers (half of the rotated dimension)"),
        member == nullptr    ? "nothing"
        : member->is_array() ? absl::StrCat("a list of ", member->size())
                             : ExcerptJson(*member));
  }
  std::vector<double> factors;
  for (const Json& element : *member) {
    const double value = element.is_number() ? element.get<double>() : 0;
    if (!(value >= kMinFactor && value <= kMaxFactor)) {
      return WrongField(key, absl::StrCat("numbers in [", kMinFactor, ", ", kMaxFactor, "]"),
                        ExcerptJson(element));
    }
    factors.push_back(value);
  }
  return factors;
}

// The fields of `scaling` that its type uses.
absl::Status ParseScaling(const Json& scaling, int64_t top_level_original,
                          const ModelConfig& config, RopeConfig* rope) {
  GANTRY_ASSIGN_OR_RETURN(rope->type, ParseType(scaling));
  const RopeConfig::Type type = rope->type;
  if (type == RopeConfig::Type::kDefault) return absl::OkStatus();
  const bool longrope = type == RopeConfig::Type::kLongRope;
  if (!longrope || FindMember(scaling, "factor") != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(rope->factor, GetDouble(scaling, "factor", kMinFactor, kMaxFactor));
  }
  if (type == RopeConfig::Type::kDynamic) {
    // The base grows with the power dim / (dim - 2), and must not shrink to nothing.
    if (rope->factor < 1) {
      return WrongField("factor", "1 or more for dynamic", absl::StrCat(rope->factor));
    }
  }
  if (type != RopeConfig::Type::kLlama3 && !longrope) return absl::OkStatus();

  rope->original_max_position_embeddings = top_level_original;
  if (top_level_original == 0) {
    const int64_t fallback = config.architecture->default_original_positions;
    GANTRY_ASSIGN_OR_RETURN(
        rope->original_max_position_embeddings,
        longrope && fallback > 0
            ? GetIntOr(scaling, "original_max_position_embeddings", 2, kMaxPositions, fallback)
            : GetInt(scaling, "original_max_position_embeddings", 2, kMaxPositions));
  }
  if (type == RopeConfig::Type::kLlama3) {
    GANTRY_ASSIGN_OR_RETURN(rope->low_freq_factor,
                            GetDouble(scaling, "low_freq_factor", kMinFactor, kMaxFactor));
    GANTRY_ASSIGN_OR_RETURN(rope->high_freq_factor,
                            GetDouble(scaling, "high_freq_factor", kMinFactor, kMaxFactor));
    if (rope->high_freq_factor <= rope->low_freq_factor) {
      return WrongField("high_freq_factor",
                        absl::StrCat("more than low_freq_factor (", rope->low_freq_factor, ")"),
                        absl::StrCat(rope->high_freq_factor));
    }
    return absl::OkStatus();
  }
  if (FindMember(scaling, "factor") == nullptr) {
    rope->factor = static_cast<double>(config.max_position_embeddings) /
                   static_cast<double>(rope->original_max_position_embeddings);
  }
  const int64_t rotary_dim = RotaryDim(config.head_dim, *rope);
  GANTRY_ASSIGN_OR_RETURN(rope->short_factor,
                          ParseFactors(scaling, "short_factor", rotary_dim / 2));
  GANTRY_ASSIGN_OR_RETURN(rope->long_factor, ParseFactors(scaling, "long_factor", rotary_dim / 2));
  if (FindMember(scaling, "attention_factor") != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(rope->attention_factor,
                            GetDouble(scaling, "attention_factor", kMinFactor, kMaxFactor));
  }
  return absl::OkStatus();
}

absl::Status CheckRotaryDim(const ModelConfig& config, const RopeConfig& rope) {
  if (rope.partial_rotary_factor != 1 && !config.architecture->partial_rotary) {
    return absl::UnimplementedError(
        absl::StrCat("partial_rotary_factor: ", rope.partial_rotary_factor,
                     " is not supported for ", config.architecture->name, "; expected 1"));
  }
  const int64_t dim = RotaryDim(config.head_dim, rope);
  const int64_t least = rope.type == RopeConfig::Type::kDynamic ? 4 : 2;
  if (dim < least || dim % 2 != 0) {
    return WrongField(
        "partial_rotary_factor",
        absl::StrCat("head_dim * partial_rotary_factor to be even and at least ", least),
        absl::StrCat(dim));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RopeConfig> ParseRopeConfig(const Json& json, const ModelConfig& config) {
  RopeConfig rope;
  GANTRY_ASSIGN_OR_RETURN(rope.theta, GetDoubleOr(json, "rope_theta", 1, kMaxTheta, 10000));
  GANTRY_ASSIGN_OR_RETURN(rope.partial_rotary_factor,
                          GetDoubleOr(json, "partial_rotary_factor", 0, 1, 1));
  GANTRY_ASSIGN_OR_RETURN(const int64_t original,
                          GetIntOr(json, "original_max_position_embeddings", 2, kMaxPositions, 0));

  const auto [scaling, name] = FindScaling(json);
  if (scaling != nullptr) {
    if (!scaling->is_object()) return WrongField(name, "an object", ExcerptJson(*scaling));
    for (const auto& [key, value] : scaling->items()) {
      if (value.is_object()) {
        return absl::UnimplementedError(
            absl::StrCat(name, ".", Excerpt(key),
                         ": rotary parameters of their own for a kind of layer are not supported"));
      }
    }
    const auto parse = [&, scaling = scaling]() -> absl::Status {
      GANTRY_ASSIGN_OR_RETURN(rope.theta,
                              GetDoubleOr(*scaling, "rope_theta", 1, kMaxTheta, rope.theta));
      GANTRY_ASSIGN_OR_RETURN(
          rope.partial_rotary_factor,
          GetDoubleOr(*scaling, "partial_rotary_factor", 0, 1, rope.partial_rotary_factor));
      return ParseScaling(*scaling, original, config, &rope);
    };
    if (const absl::Status status = parse(); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat(name, ".", status.message()));
    }
  }
  GANTRY_RETURN_IF_ERROR(CheckRotaryDim(config, rope));
  return rope;
}

}  // namespace gantry
