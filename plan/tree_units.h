#ifndef GANTRY_PLAN_TREE_UNITS_H_
#define GANTRY_PLAN_TREE_UNITS_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "plan/model_tree.h"

namespace gantry {

// Lists the units of a tree whose other fields are filled in. `windows`: of each decoder layer, the
// tokens it looks back; `late`: modules that run after what is registered behind them.
void FillUnits(const std::vector<int64_t>& windows, const std::set<std::string>& late,
               ModelTree* tree);

}  // namespace gantry

#endif  // GANTRY_PLAN_TREE_UNITS_H_
