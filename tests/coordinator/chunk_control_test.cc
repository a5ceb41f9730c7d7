#include "coordinator/chunk_control.h"

#include <algorithm>
#include <limits>

#include "gtest/gtest.h"

namespace gantry {
namespace {

// A device of which a step takes the longer of reading the weights and multiplying, as on a CPU, or
// on which more than some tokens cost the same again and more, as on a GPU.
struct Device {
  double read_ms = 60;
  double token_ms = 4.7;
  int64_t few = std::numeric_limits<int64_t>::max();
  double many_ms = 0;
  absl::Duration Step(int64_t tokens) const {
    return absl::Milliseconds(std::max(read_ms, token_ms * tokens) + (tokens > few ? many_ms : 0));
  }
};

// Steps as a scheduler would send them, with prompts always at hand. Returns the share of steps
// that took longer than `limit` times one without prompts.
double RunSteps(ChunkControl* control, const Device& device, int64_t decodes, int steps,
                double limit) {
  int late = 0;
  for (int i = 0; i < steps; ++i) {
    const int64_t prompt_tokens = control->tokens();
    const absl::Duration time = device.Step(decodes + prompt_tokens);
    late += time > limit * device.Step(decodes);
    if (prompt_tokens == 0) {
      control->OnDecodes(time, decodes);
    } else {
      control->OnMixed(time, decodes, prompt_tokens);
    }
  }
  return static_cast<double>(late) / steps;
}

TEST(ChunkControlTest, SeesAStepWithoutPromptsFirst) {
  ChunkControl control(1.6, 512);
  EXPECT_EQ(control.tokens(), 0);
  control.OnMixed(absl::Milliseconds(100), 1, 512);
  EXPECT_EQ(control.tokens(), 0);
  control.OnDecodes(absl::Milliseconds(60), 1);
  EXPECT_GT(control.tokens(), 0);
}

TEST(ChunkControlTest, FindsTheChunkThatTheSlowdownAllows) {
  ChunkControl control(1.6, 512);
  RunSteps(&control, Device(), 1, 50, 2);
  // 96 ms are 20 tokens, one of them generated.
  EXPECT_GE(control.tokens(), 16);
  EXPECT_LE(control.tokens(), 21);
  EXPECT_LE(RunSteps(&control, Device(), 1, 1000, 1.7), 0.01);
}

TEST(ChunkControlTest, FollowsADeviceOnWhichTokensGetDearer) {
  ChunkControl control(1.6, 512);
  RunSteps(&control, Device(), 1, 50, 2);
  const Device later{60, 20};
  EXPECT_LE(RunSteps(&control, later, 1, 1000, 2), 0.01);
  EXPECT_LE(control.tokens(), 5);
  EXPECT_GE(control.tokens(), 1);
}

TEST(ChunkControlTest, GoesToTheMostThatAStepMayHaveWhereTokensCostNothing) {
  ChunkControl control(1.6, 512);
  RunSteps(&control, {3, 0}, 1, 30, 2);
  control.OnDecodes(absl::Milliseconds(3), 1);
  EXPECT_EQ(control.tokens(), 512);
}

TEST(ChunkControlTest, NeverStopsPromptsAltogether) {
  ChunkControl control(1.6, 512);
  RunSteps(&control, {1, 100}, 1, 50, 2);
  EXPECT_EQ(control.tokens(), 1);
}

TEST(ChunkControlTest, TheEndOfAPromptDoesNotShrinkThoseThatFollow) {
  ChunkControl control(1.6, 512);
  const Device device{5, 0.1, 32, 20};
  RunSteps(&control, device, 32, 50, 2);
  const int64_t before = control.tokens();
  control.OnMixed(device.Step(32 + 2), 32, 2);
  EXPECT_GE(control.tokens(), before);
  // Nor where it is all that a new base has seen.
  control.OnDecodes(device.Step(32), 32);
  control.OnMixed(device.Step(32 + 1), 32, 1);
  control.OnDecodes(device.Step(32), 32);
  RunSteps(&control, device, 32, 20, 2);
  EXPECT_GE(control.tokens(), 100);
}

TEST(ChunkControlTest, DoesNotShrinkWhereThatDoesNotHelp) {
  ChunkControl control(1.6, 512);
  // 200 tokens cost what the first of them costs.
  const Device device{5, 0.1, 32, 20};
  RunSteps(&control, device, 32, 50, 2);
  EXPECT_GE(control.tokens(), 150);
  EXPECT_LE(control.tokens(), 300);
  // When few of them have become cheap that is found out.
  RunSteps(&control, {5, 0.1}, 32, 100, 2);
  EXPECT_LE(RunSteps(&control, {5, 0.1}, 32, 1000, 1.7), 0.01);
  // Fewer sequences leave room beside them.
  RunSteps(&control, device, 8, 100, 2);
  control.OnDecodes(absl::Milliseconds(5), 8);
  EXPECT_LE(control.tokens(), 24);
  EXPECT_GE(control.tokens(), 12);
}

TEST(ChunkControlTest, TokensThatNoLongerHideAFixedCostAreFewer) {
  ChunkControl control(1.6, 512);
  RunSteps(&control, {5, 0.1, 32, 20}, 32, 50, 2);
  const Device linear{5, 1};
  RunSteps(&control, linear, 32, 200, 2);
  control.OnDecodes(linear.Step(32), 32);
  EXPECT_LE(control.tokens(), 20);
}

TEST(ChunkControlTest, LooksAtTheBaseAgainAndSoonerForAnotherBatch) {
  const auto mixed_steps = [](int64_t decodes) {
    ChunkControl control(1.6, 512);
    control.OnDecodes(absl::Milliseconds(60), 8);
    int steps = 0;
    for (; control.tokens() > 0; ++steps) control.OnMixed(absl::Milliseconds(90), decodes, 16);
    return steps;
  };
  EXPECT_EQ(mixed_steps(8), 64);
  EXPECT_EQ(mixed_steps(16), 8);
}

TEST(ChunkControlTest, GrowsFromOneToken) {
  ChunkControl control(1.6, 512);
  RunSteps(&control, {1, 100}, 1, 50, 2);
  RunSteps(&control, Device(), 1, 200, 2);
  EXPECT_GE(control.tokens(), 16);
}

TEST(ChunkControlTest, ALateStepIsForgotten) {
  ChunkControl control(1.6, 512);
  RunSteps(&control, Device(), 1, 50, 2);
  const int64_t before = control.tokens();
  control.OnMixed(absl::Seconds(5), 1, before);
  EXPECT_GE(control.tokens(), before / 2);
  RunSteps(&control, Device(), 1, 10, 2);
  EXPECT_GE(control.tokens(), before - 2);
}

}  // namespace
}  // namespace gantry
