#include "plan/known_models/known_models.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/config_fields.h"
#include "plan/known_models/data.h"

namespace gantry {
namespace {

constexpr size_t kMaxSuggestions = 5;

std::vector<KnownModel> Load() {
  std::vector<KnownModel> models;
  for (absl::string_view text : KnownModelFiles()) {
    const absl::StatusOr<Json> file = ParseJson(text, "known models");
    if (!file.ok()) std::abort();
    for (const auto& entry : file->items()) {
      models.push_back(KnownModel{entry.key(), entry.value()});
    }
  }
  return models;
}

std::string LastPart(absl::string_view name) {
  const size_t slash = name.rfind('/');
  if (slash != absl::string_view::npos) name.remove_prefix(slash + 1);
  return absl::AsciiStrToLower(name);
}

// "llama-2" of "llama-2-7b-hf": what stands before the second dash.
absl::string_view Stem(absl::string_view name) {
  const size_t dash = name.find('-');
  return name.substr(0, name.find('-', dash == absl::string_view::npos ? dash : dash + 1));
}

}  // namespace

const std::vector<KnownModel>& KnownModels() {
  static const auto* const kModels = new std::vector<KnownModel>(Load());
  return *kModels;
}

absl::StatusOr<const KnownModel*> FindKnownModel(absl::string_view name) {
  const bool has_organisation = absl::StrContains(name, "/");
  const std::string wanted = LastPart(name);
  std::vector<std::string> alike;
  for (const KnownModel& model : KnownModels()) {
    if (absl::EqualsIgnoreCase(model.name, name)) return &model;
    const std::string own = LastPart(model.name);
    if (!has_organisation && own == wanted) return &model;
    if (alike.size() < kMaxSuggestions && absl::StartsWith(own, Stem(wanted))) {
      alike.push_back(model.name);
    }
  }
  if (alike.empty()) {
    for (size_t i = 0; i < kMaxSuggestions; ++i) alike.push_back(KnownModels()[i].name);
  }
  return absl::NotFoundError(absl::StrCat("no known model is called \"", Excerpt(name),
                                          "\"; there are ", absl::StrJoin(alike, ", "), ", ..."));
}

}  // namespace gantry
