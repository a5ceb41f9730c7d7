#include "client/table.h"

#include "gtest/gtest.h"

namespace gantry {
namespace {

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({{"NAME"}, {"N", Table::Align::kRight}, {"REST"}});
  table.AddRow({"a", "1", "x"});
  table.AddRow({"longer", "1000", ""});
  EXPECT_EQ(table.ToString(),
            "NAME       N  REST\n"
            "a          1  x\n"
            "longer  1000\n");
}

TEST(TableTest, HeadingAlone) { EXPECT_EQ(Table({{"A"}, {"B"}}).ToString(), "A  B\n"); }

}  // namespace
}  // namespace gantry
