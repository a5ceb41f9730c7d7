#include "plan/estimate_table.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "plan/accelerate/module_sizes.h"

namespace gantry {
namespace {

constexpr size_t kColumns = 4;
using Row = std::array<std::string, kColumns>;

// Python's round(x, 2) and how it prints: "250.0", "3.85".
std::string FormatSize(double bytes) {
  constexpr absl::string_view kUnits[] = {"bytes", "KB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < 6) {
    bytes /= 1024;
    ++unit;
  }
  std::string number = absl::StrFormat("%.2f", bytes);
  if (number.back() == '0') number.pop_back();
  return absl::StrCat(number, " ", kUnits[unit]);
}

// Characters, not bytes.
size_t Width(absl::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

// Python's str.center.
std::string Centre(absl::string_view text, size_t width) {
  const size_t length = Width(text);
  if (length >= width) return std::string(text);
  const size_t pad = width - length;
  const size_t left = pad / 2 + (pad & width & 1);
  return absl::StrCat(std::string(left, ' '), text, std::string(pad - left, ' '));
}

std::string Line(size_t count) {
  std::string line;
  for (size_t i = 0; i < count; ++i) line += "─";
  return line;
}

std::string Rule(absl::string_view left, absl::string_view middle, absl::string_view right,
                 const std::array<size_t, kColumns>& widths) {
  std::string rule(left);
  for (size_t i = 0; i < kColumns; ++i)
    absl::StrAppend(&rule, i > 0 ? middle : "", Line(widths[i]));
  return absl::StrCat(rule, right);
}

std::string FormatTable(const std::vector<Row>& rows, absl::string_view title) {
  std::array<size_t, kColumns> widths = {};
  size_t sum = 0;
  for (size_t i = 0; i < kColumns; ++i) {
    for (const Row& row : rows) widths[i] = std::max(widths[i], Width(row[i]));
    sum += widths[i];
  }
  // A long title widens the last column by twice what it lacks, as accelerate does.
  const size_t title_width = Width(title);
  if (title_width > sum) {
    const size_t total = sum + kColumns + 1;
    widths.back() += 2 * (title_width > total ? title_width - total : total - title_width);
  }
  size_t inner = kColumns - 1;
  for (size_t width : widths) inner += width;
  std::string table = absl::StrCat(Rule("┌", "─", "┐", widths), "\n│", Centre(title, inner), "│\n",
                                   Rule("├", "┬", "┤", widths), "\n");
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < kColumns; ++i) {
      absl::StrAppend(&table, "│", Centre(rows[r][i], widths[i]));
    }
    absl::StrAppend(&table, "│\n");
    if (r == 0) absl::StrAppend(&table, Rule("├", "┼", "┤", widths), "\n");
  }
  return absl::StrCat(table, Rule("└", "┴", "┘", widths));
}

}  // namespace

std::string FormatEstimateTable(const ModelTree& tree, absl::string_view name) {
  const ModelTree counted = tree.auto_map_for_head ? tree : WithoutHead(tree);
  WeightFormat fp32;
  const ModuleSizes sizes = ComputeModuleSizes(counted, fp32);
  const double total = static_cast<double>(sizes.Of(""));
  double largest = 0;
  for (const PlanUnit& unit : counted.units) {
    largest = std::max(largest, static_cast<double>(sizes.Of(unit.name)));
  }
  const auto row = [&](absl::string_view dtype, double divisor, const std::string& training) {
    return Row{std::string(dtype), FormatSize(largest / divisor), FormatSize(total / divisor),
               training};
  };
  const std::vector<Row> rows = {
      {"dtype", "Largest Layer", "Total Size", "Training using Adam"},
      row("float32", 1, FormatSize(4 * total)),
      row("float16", 2, FormatSize(2 * total)),
      row("int8", 4, "N/A"),
      row("int4", 8, "N/A"),
  };
  return FormatTable(rows, absl::StrCat("Memory Usage for loading `", name, "`"));
}

}  // namespace gantry
