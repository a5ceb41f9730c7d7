#include "coordinator/http/key_meter.h"

#include "coordinator/http/http_error.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<KeyMeter> Meter(const KeyLimits& limits, const Clock* clock) {
  return std::make_shared<KeyMeter>(limits, clock);
}

absl::Duration RetryAfter(const absl::Status& status) { return ToHttpError(status).retry_after; }

TEST(KeyMeterTest, WithoutLimitsAllIsAdmitted) {
  FakeClock clock;
  const auto meter = Meter({}, &clock);
  std::vector<std::shared_ptr<KeyUse>> uses;
  for (int i = 0; i < 1000; ++i) {
    GANTRY_ASSERT_OK_AND_ASSIGN(auto use, meter->Admit("a", true));
    use->Charge(1'000'000);
    uses.push_back(std::move(use));
  }
  EXPECT_EQ(uses[0]->name(), "a");
}

TEST(KeyMeterTest, RequestsAMinuteRefillAndAreEachKeysOwn) {
  FakeClock clock;
  const auto meter = Meter({/*requests_per_minute=*/2}, &clock);
  GANTRY_EXPECT_OK(meter->Admit("a", true));
  GANTRY_EXPECT_OK(meter->Admit("a", true));
  const absl::Status refused = meter->Admit("a", true).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("a is limited")));
  EXPECT_EQ(RetryAfter(refused), absl::Seconds(30));
  GANTRY_EXPECT_OK(meter->Admit("a", /*metered=*/false));
  GANTRY_EXPECT_OK(meter->Admit("b", true));
  clock.Advance(absl::Seconds(29));
  EXPECT_FALSE(meter->Admit("a", true).ok());
  clock.Advance(absl::Seconds(1));
  GANTRY_EXPECT_OK(meter->Admit("a", true));
  EXPECT_FALSE(meter->Admit("a", true).ok());
  clock.Advance(absl::Hours(1));  // no more than a minute's worth
  GANTRY_EXPECT_OK(meter->Admit("a", true));
  GANTRY_EXPECT_OK(meter->Admit("a", true));
  EXPECT_FALSE(meter->Admit("a", true).ok());
}

TEST(KeyMeterTest, TokensAreChargedAfterwardsAndDebtIsWaitedFor) {
  FakeClock clock;
  const auto meter = Meter({0, /*tokens_per_minute=*/60}, &clock);
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto use, meter->Admit("a", true));
  use->Charge(60 + 29);
  const absl::Status refused = meter->Admit("a", true).status();
  EXPECT_EQ(RetryAfter(refused), absl::Seconds(30));
  clock.Advance(absl::Seconds(30));
  GANTRY_EXPECT_OK(meter->Admit("a", true));
}

TEST(KeyMeterTest, ARequestCountsAsLongAsItLasts) {
  FakeClock clock;
  const auto meter = Meter({0, 0, /*concurrent_requests=*/1}, &clock);
  absl::StatusOr<std::shared_ptr<KeyUse>> first = meter->Admit("a", true);
  GANTRY_ASSERT_OK(first);
  EXPECT_THAT(meter->Admit("a", true),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("1 requests at once")));
  *first = nullptr;
  GANTRY_EXPECT_OK(meter->Admit("a", true));
}

}  // namespace
}  // namespace gantry
