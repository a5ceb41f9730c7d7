#ifndef GANTRY_PLAN_ESTIMATE_TABLE_H_
#define GANTRY_PLAN_ESTIMATE_TABLE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "plan/model_tree.h"

namespace gantry {

// The table that `accelerate estimate-memory NAME` prints, without the line feed at its end. It
// counts the model without its head, unless config.json's auto_map names a class with one.
std::string FormatEstimateTable(const ModelTree& tree, absl::string_view name);

}  // namespace gantry

#endif  // GANTRY_PLAN_ESTIMATE_TABLE_H_
