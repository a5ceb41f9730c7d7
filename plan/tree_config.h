#ifndef GANTRY_PLAN_TREE_CONFIG_H_
#define GANTRY_PLAN_TREE_CONFIG_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/json.h"
#include "plan/model_families.h"
#include "plan/model_tree.h"
#include "plan/tree_text.h"

// Pieces of BuildModelTree that read config.json. Errors say "FIELD: expected ..., found ..." and
// leave the file's name to the caller.
namespace gantry {

// By model_type, or else by the first of "architectures". UNIMPLEMENTED lists the families.
absl::StatusOr<const ModelFamily*> FindFamily(const Json& json);

// The sizes that ModelTree keeps.
absl::Status ParseTreeSizes(const Json& json, const ModelFamily& family, ModelTree* tree);

// Every symbol of the families' texts; `tree` has its sizes.
absl::StatusOr<TreeSymbols> ParseTreeSymbols(const Json& json, const ModelFamily& family,
                                             const ModelTree& tree);

// Tokens that each layer looks back; 0: all.
absl::StatusOr<std::vector<int64_t>> ParseWindows(const Json& json, const ModelFamily& family,
                                                  int64_t num_layers);

}  // namespace gantry

#endif  // GANTRY_PLAN_TREE_CONFIG_H_
