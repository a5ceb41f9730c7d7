#include "client/table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace gantry {

Table::Table(std::vector<Column> columns) : rows_(1) {
  for (Column& column : columns) {
    aligns_.push_back(column.align);
    rows_[0].push_back(std::move(column.heading));
  }
}

std::string Table::ToString() const {
  std::vector<size_t> widths(aligns_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      const bool right = aligns_[i] == Align::kRight;
      absl::StrAppend(&line, i == 0 ? "" : "  ", right ? padding : "", row[i],
                      right ? "" : padding);
    }
    absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(line), "\n");
  }
  return text;
}

}  // namespace gantry
