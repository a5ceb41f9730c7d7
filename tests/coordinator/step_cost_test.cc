#include "coordinator/step_cost.h"

#include <functional>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// Two stages, of 0.125 s each.
v1::StepHeader Result() {
  v1::StepHeader result;
  for (int stage = 0; stage < 2; ++stage) {
    v1::StageCost* const cost = result.add_costs();
    cost->set_stage(stage);
    cost->set_queued_s(0.0625);
    cost->set_computed_s(0.0625);
  }
  return result;
}

TEST(StepCostTest, IsWhatTheStagesSay) {
  const std::vector<StageCost> costs = ReadStageCosts(Result(), 2, absl::Seconds(1));
  ASSERT_THAT(costs, SizeIs(2));
  EXPECT_EQ(costs[1].queued_s, 0.0625);
  EXPECT_EQ(costs[1].computed_s, 0.0625);
  EXPECT_EQ(TotalOf(costs), absl::Seconds(0.25));
}

// Clocks do not run alike to the last microsecond.
TEST(StepCostTest, MayBeAllTheTimeThereWas) {
  EXPECT_THAT(ReadStageCosts(Result(), 2, absl::Seconds(0.2495)), SizeIs(2));
  EXPECT_THAT(ReadStageCosts(Result(), 2, absl::Seconds(0.248)), IsEmpty());
}

TEST(StepCostTest, WhatCannotBeIsNotBelieved) {
  const std::function<void(v1::StepHeader*)> lies[] = {
      [](v1::StepHeader* h) { h->clear_costs(); },
      [](v1::StepHeader* h) { h->mutable_costs()->RemoveLast(); },
      [](v1::StepHeader* h) { h->add_costs()->set_stage(2); },
      [](v1::StepHeader* h) { h->mutable_costs(0)->set_stage(1); },
      [](v1::StepHeader* h) { h->mutable_costs(1)->set_stage(7); },
      [](v1::StepHeader* h) { h->mutable_costs(0)->set_queued_s(-1e-9f); },
      [](v1::StepHeader* h) { h->mutable_costs(1)->set_computed_s(-1); },
      [](v1::StepHeader* h) {
        h->mutable_costs(0)->set_queued_s(std::numeric_limits<float>::quiet_NaN());
      },
      [](v1::StepHeader* h) {
        h->mutable_costs(0)->set_computed_s(std::numeric_limits<float>::infinity());
      },
      [](v1::StepHeader* h) {
        h->mutable_costs(0)->set_computed_s(std::numeric_limits<float>::max());
      },
  };
  for (const auto& lie : lies) {
    v1::StepHeader result = Result();
    lie(&result);
    EXPECT_THAT(ReadStageCosts(result, 2, absl::Seconds(1)), IsEmpty())
        << result.ShortDebugString();
  }
}

}  // namespace
}  // namespace gantry
