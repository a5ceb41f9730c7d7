#ifndef GANTRY_PLAN_TEXT_TABLE_H_
#define GANTRY_PLAN_TEXT_TABLE_H_

#include <string>
#include <vector>

namespace gantry {

// Text in columns, two blanks apart, each as wide as its widest cell counted in characters. The
// first row is the heading. `right`: the columns that are flush right, [columns].
std::string FormatTextTable(const std::vector<std::vector<std::string>>& rows,
                            const std::vector<bool>& right);

}  // namespace gantry

#endif  // GANTRY_PLAN_TEXT_TABLE_H_
