#include "client/backoff.h"

#include <limits>

#include "gtest/gtest.h"
#include "proto/retry_info.h"

namespace gantry {
namespace {

const absl::Status kFailure = absl::UnavailableError("gone");

TEST(BackoffTest, WaitsTwiceAsLongEachTime) {
  FakeClock clock;
  Backoff backoff(absl::Hours(1), &clock);
  for (const int milliseconds : {100, 200, 400, 800, 1600, 2000, 2000}) {
    EXPECT_EQ(backoff.After(kFailure), absl::Milliseconds(milliseconds));
  }
  EXPECT_EQ(backoff.failures(), 7);
  backoff.Reset();
  EXPECT_EQ(backoff.failures(), 0);
  EXPECT_EQ(backoff.After(kFailure), absl::Milliseconds(100));
}

TEST(BackoffTest, GivesUpWhenTheFirstFailureIsTooLongAgo) {
  FakeClock clock;
  Backoff backoff(absl::Seconds(10), &clock);
  EXPECT_TRUE(backoff.After(kFailure).has_value());
  clock.Advance(absl::Seconds(9));
  EXPECT_TRUE(backoff.After(kFailure).has_value());
  backoff.Reset();
  EXPECT_TRUE(backoff.After(kFailure).has_value());
  clock.Advance(absl::Seconds(10));
  EXPECT_FALSE(backoff.After(kFailure).has_value());
}

TEST(BackoffTest, WithoutPatienceIsNeverAgain) {
  FakeClock clock;
  EXPECT_FALSE(Backoff(absl::ZeroDuration(), &clock).After(kFailure).has_value());
}

TEST(BackoffTest, WaitsAsLongAsTheServerSays) {
  FakeClock clock;
  Backoff backoff(absl::Minutes(1), &clock);
  absl::Status busy = absl::ResourceExhaustedError("the queue is full");
  SetRetryDelay(absl::Seconds(7), &busy);
  EXPECT_EQ(backoff.After(busy), absl::Seconds(7));
  EXPECT_EQ(backoff.After(kFailure), absl::Milliseconds(200));
  SetRetryDelay(absl::Seconds(std::numeric_limits<int64_t>::max()), &busy);
  EXPECT_FALSE(backoff.After(busy).has_value());
}

}  // namespace
}  // namespace gantry
