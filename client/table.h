#ifndef GANTRY_CLIENT_TABLE_H_
#define GANTRY_CLIENT_TABLE_H_

#include <string>
#include <vector>

namespace gantry {

// Text in columns, two blanks apart, each as wide as its widest cell. The first row is the heading.
// A column is flush right if its cell in the second row begins with a digit or is "-".
class Table {
 public:
  explicit Table(std::vector<std::string> heading) : rows_{std::move(heading)} {}
  // Requires as many cells as the heading has.
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace gantry

#endif  // GANTRY_CLIENT_TABLE_H_
