#ifndef GANTRY_PLAN_KNOWN_MODELS_KNOWN_MODELS_H_
#define GANTRY_PLAN_KNOWN_MODELS_KNOWN_MODELS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"

namespace gantry {

// Models that can be planned by name alone. Facts of their config.json, built into the program
// from known_models/*.json.
struct KnownModel {
  std::string name;  // as on the hub: "meta-llama/Llama-2-7b-hf"
  Json config;
};

// All of them, smallest first within a family.
const std::vector<KnownModel>& KnownModels();

// By its name, in any letter case, with or without the organisation. NOT_FOUND names those that are
// alike.
absl::StatusOr<const KnownModel*> FindKnownModel(absl::string_view name);

}  // namespace gantry

#endif  // GANTRY_PLAN_KNOWN_MODELS_KNOWN_MODELS_H_
