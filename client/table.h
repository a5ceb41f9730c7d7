#ifndef GANTRY_CLIENT_TABLE_H_
#define GANTRY_CLIENT_TABLE_H_

#include <string>
#include <utility>
#include <vector>

namespace gantry {

// Text in columns, two blanks apart, each as wide as its widest cell.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string heading;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns);
  // Requires as many cells as there are columns.
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string ToString() const;

 private:
  std::vector<Align> aligns_;
  std::vector<std::vector<std::string>> rows_;  // the first is the heading
};

}  // namespace gantry

#endif  // GANTRY_CLIENT_TABLE_H_
