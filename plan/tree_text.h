#ifndef GANTRY_PLAN_TREE_TEXT_H_
#define GANTRY_PLAN_TREE_TEXT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "plan/model_tree.h"

namespace gantry {

// Numbers that stand behind the names in a family's text: sizes, and 0 or 1.
using TreeSymbols = std::map<std::string, int64_t, std::less<>>;

// The modules that a family's text (plan/model_families.h) describes for a model of those sizes.
struct TreeFromText {
  std::shared_ptr<const TreeModule> root;
  std::vector<std::vector<std::string>> tied;  // tensors' full names; the one that is kept first
  std::set<std::string> late;  // modules that run after what is registered behind them
};

// `text` is one of our own: aborts if it is malformed or uses a symbol that is not there. Counts of
// parameters stop at 2^64 - 1.
TreeFromText ReadTree(absl::string_view text, const TreeSymbols& symbols);

}  // namespace gantry

#endif  // GANTRY_PLAN_TREE_TEXT_H_
