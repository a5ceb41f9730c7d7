#include "plan/estimate_table.h"

#include <string>

#include "plan/known_models/known_models.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

std::string Table(const std::string& name) {
  const absl::StatusOr<const KnownModel*> model = FindKnownModel(name);
  EXPECT_THAT(model, IsOk());
  const absl::StatusOr<ModelTree> tree = BuildModelTree((*model)->config, name);
  EXPECT_THAT(tree, IsOk());
  return FormatEstimateTable(*tree, name);
}

TEST(EstimateTableTest, TinyLlamaIsCountedWithoutItsHead) {
  EXPECT_EQ(Table("TinyLlama/TinyLlama-1.1B-Chat-v1.0"),
            "┌──────────────────────────────────────────────────────────────────┐\n"
            "│  Memory Usage for loading `TinyLlama/TinyLlama-1.1B-Chat-v1.0`   │\n"
            "├───────┬─────────────┬──────────┬─────────────────────────────────┤\n"
            "│ dtype │Largest Layer│Total Size│       Training using Adam       │\n"
            "├───────┼─────────────┼──────────┼─────────────────────────────────┤\n"
            "│float32│   250.0 MB  │ 3.85 GB  │             15.42 GB            │\n"
            "│float16│   125.0 MB  │ 1.93 GB  │             7.71 GB             │\n"
            "│  int8 │   62.5 MB   │986.59 MB │               N/A               │\n"
            "│  int4 │   31.25 MB  │493.29 MB │               N/A               │\n"
            "└───────┴─────────────┴──────────┴─────────────────────────────────┘");
}

TEST(EstimateTableTest, AShortTitleWidensNothing) {
  const absl::StatusOr<const KnownModel*> model = FindKnownModel("TinyLlama-1.1B-Chat-v1.0");
  GANTRY_ASSERT_OK(model);
  GANTRY_ASSERT_OK_AND_ASSIGN(const ModelTree tree, BuildModelTree((*model)->config, "m"));
  EXPECT_EQ(FormatEstimateTable(tree, "m"),
            "┌────────────────────────────────────────────────────┐\n"
            "│            Memory Usage for loading `m`            │\n"
            "├───────┬─────────────┬──────────┬───────────────────┤\n"
            "│ dtype │Largest Layer│Total Size│Training using Adam│\n"
            "├───────┼─────────────┼──────────┼───────────────────┤\n"
            "│float32│   250.0 MB  │ 3.85 GB  │      15.42 GB     │\n"
            "│float16│   125.0 MB  │ 1.93 GB  │      7.71 GB      │\n"
            "│  int8 │   62.5 MB   │986.59 MB │        N/A        │\n"
            "│  int4 │   31.25 MB  │493.29 MB │        N/A        │\n"
            "└───────┴─────────────┴──────────┴───────────────────┘");
}

TEST(EstimateTableTest, Phi3NamesItsClassAndKeepsItsHead) {
  EXPECT_EQ(Table("microsoft/Phi-3-mini-4k-instruct"),
            "┌──────────────────────────────────────────────────────────────┐\n"
            "│ Memory Usage for loading `microsoft/Phi-3-mini-4k-instruct`  │\n"
            "├───────┬─────────────┬──────────┬─────────────────────────────┤\n"
            "│ dtype │Largest Layer│Total Size│     Training using Adam     │\n"
            "├───────┼─────────────┼──────────┼─────────────────────────────┤\n"
            "│float32│  432.02 MB  │ 14.23 GB │           56.94 GB          │\n"
            "│float16│  216.01 MB  │ 7.12 GB  │           28.47 GB          │\n"
            "│  int8 │  108.01 MB  │ 3.56 GB  │             N/A             │\n"
            "│  int4 │   54.0 MB   │ 1.78 GB  │             N/A             │\n"
            "└───────┴─────────────┴──────────┴─────────────────────────────┘");
}

}  // namespace
}  // namespace gantry
