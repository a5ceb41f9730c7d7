#include "client/interrupts.h"

#include <signal.h>

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(InterruptsTest, FirstCancelsTheCallAndTheSecondIsIdle) {
  std::vector<int> idle;
  Interrupts interrupts([&idle](int signal) { idle.push_back(signal); });
  InterruptibleCall call(&interrupts);
  EXPECT_EQ(interrupts.last_signal(), 0);
  interrupts.Deliver(SIGINT);
  EXPECT_TRUE(call.cancellation()->cancelled());
  EXPECT_THAT(idle, IsEmpty());
  EXPECT_EQ(interrupts.last_signal(), SIGINT);
  interrupts.Deliver(SIGTERM);
  EXPECT_THAT(idle, ElementsAre(SIGTERM));
}

TEST(InterruptsTest, BetweenCallsIsIdle) {
  std::vector<int> idle;
  Interrupts interrupts([&idle](int signal) { idle.push_back(signal); });
  { InterruptibleCall call(&interrupts); }
  interrupts.Deliver(SIGINT);
  EXPECT_THAT(idle, ElementsAre(SIGINT));
  InterruptibleCall next(&interrupts);
  EXPECT_FALSE(next.cancellation()->cancelled());
}

}  // namespace
}  // namespace gantry
