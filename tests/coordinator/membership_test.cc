#include "coordinator/membership.h"

#include "base/version.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

v1::Hello Hello(const std::string& name, const std::string& instance) {
  v1::Hello hello;
  hello.set_protocol_version(kProtocolVersion);
  hello.set_name(name);
  hello.set_instance(instance);
  hello.mutable_endpoint()->set_address("127.0.0.1:1");
  return hello;
}

class MembershipTest : public ::testing::Test {
 protected:
  absl::StatusOr<uint64_t> Join(const v1::Hello& hello) {
    return membership_.Join(hello, [this](absl::Status status) { ends_.push_back(status); });
  }

  FakeClock clock_;
  int changes_ = 0;
  std::vector<absl::Status> ends_;
  Membership membership_{&clock_, absl::Seconds(5), [this] { ++changes_; }};
};

TEST_F(MembershipTest, ListsWorkersByName) {
  GANTRY_ASSERT_OK(Join(Hello("b", "1")));
  GANTRY_ASSERT_OK(Join(Hello("a", "2")));
  const std::vector<Member> members = membership_.Members();
  ASSERT_THAT(members, SizeIs(2));
  EXPECT_EQ(members[0].hello.name(), "a");
  EXPECT_EQ(members[1].hello.name(), "b");
  EXPECT_EQ(changes_, 2);
}

TEST_F(MembershipTest, AnotherProtocolIsRefusedWithBothVersions) {
  v1::Hello hello = Hello("a", "1");
  hello.set_protocol_version(kProtocolVersion + 1);
  EXPECT_THAT(Join(hello), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    AllOf(HasSubstr(std::to_string(kProtocolVersion)),
                                          HasSubstr(std::to_string(kProtocolVersion + 1)))));
}

TEST_F(MembershipTest, MalformedHellosAreRefused) {
  const auto refused = [this](void (*spoil)(v1::Hello*)) {
    v1::Hello hello = Hello("a", "1");
    spoil(&hello);
    EXPECT_THAT(Join(hello), StatusIs(absl::StatusCode::kInvalidArgument, ::testing::_));
  };
  refused([](v1::Hello* hello) { hello->set_name(""); });
  refused([](v1::Hello* hello) { hello->set_name("a b"); });
  refused([](v1::Hello* hello) { hello->set_name(std::string(129, 'a')); });
  refused([](v1::Hello* hello) { hello->set_instance(""); });
  refused([](v1::Hello* hello) { hello->mutable_endpoint()->clear_address(); });
  refused([](v1::Hello* hello) { hello->mutable_device()->set_isa(std::string(5000, 'x')); });
  refused([](v1::Hello* hello) { hello->mutable_device()->set_memory_bytes(~uint64_t{0}); });
  refused([](v1::Hello* hello) { hello->mutable_device()->set_read_bytes_per_s(-1); });
  refused([](v1::Hello* hello) { hello->mutable_device()->set_read_bytes_per_s(NAN); });
  EXPECT_THAT(membership_.Members(), IsEmpty());
}

TEST_F(MembershipTest, ALiveNameIsTaken) {
  GANTRY_ASSERT_OK(Join(Hello("a", "1")));
  EXPECT_THAT(Join(Hello("a", "2")), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("a")));
  EXPECT_THAT(ends_, IsEmpty());
}

TEST_F(MembershipTest, AnExpiredNameGoesToTheNewcomerAndTheOldOneIsPutOut) {
  GANTRY_ASSERT_OK(Join(Hello("a", "1")));
  clock_.Advance(absl::Seconds(5));
  GANTRY_ASSERT_OK_AND_ASSIGN(const uint64_t session, Join(Hello("a", "2")));
  ASSERT_THAT(ends_, SizeIs(1));
  EXPECT_THAT(ends_[0], StatusIs(absl::StatusCode::kAborted, HasSubstr("took over")));
  EXPECT_EQ(membership_.Members()[0].session, session);
  EXPECT_THAT(membership_.TakeDepartures(), SizeIs(1));
}

TEST_F(MembershipTest, TheSameProcessMayJoinAgainAtOnce) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const uint64_t first, Join(Hello("a", "1")));
  GANTRY_ASSERT_OK_AND_ASSIGN(const uint64_t second, Join(Hello("a", "1")));
  EXPECT_NE(first, second);
  EXPECT_THAT(ends_, SizeIs(1));
  membership_.Leave(first, "late news of the old stream");
  EXPECT_THAT(membership_.Members(), SizeIs(1));
}

TEST_F(MembershipTest, AWorkerThatLeftMayComeBackAsAnotherProcess) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const uint64_t session, Join(Hello("a", "1")));
  membership_.Leave(session, "its stream ended");
  GANTRY_ASSERT_OK(Join(Hello("a", "2")));
}

TEST_F(MembershipTest, ProgressRenewsTheLease) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const uint64_t session, Join(Hello("a", "1")));
  v1::Progress progress;
  progress.set_steps(7);
  clock_.Advance(absl::Seconds(4));
  membership_.Renew(session, progress);
  clock_.Advance(absl::Seconds(4));
  membership_.ExpireLeases();
  ASSERT_THAT(membership_.Members(), SizeIs(1));
  EXPECT_EQ(membership_.Members()[0].progress.steps(), 7);
}

TEST_F(MembershipTest, SilenceEndsTheLease) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const uint64_t session, Join(Hello("a", "1")));
  clock_.Advance(absl::Seconds(5) - absl::Nanoseconds(1));
  membership_.ExpireLeases();
  EXPECT_THAT(membership_.Members(), SizeIs(1));
  clock_.Advance(absl::Nanoseconds(1));
  membership_.ExpireLeases();
  EXPECT_THAT(membership_.Members(), IsEmpty());
  ASSERT_THAT(ends_, SizeIs(1));
  const std::vector<Departure> departures = membership_.TakeDepartures();
  ASSERT_THAT(departures, SizeIs(1));
  EXPECT_EQ(departures[0].session, session);
  EXPECT_THAT(departures[0].reason, HasSubstr("lease"));
  EXPECT_THAT(membership_.TakeDepartures(), IsEmpty());
}

TEST_F(MembershipTest, ARefusedWorkerIsToldWhy) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const uint64_t session, Join(Hello("a", "1")));
  membership_.Refuse(session, absl::FailedPreconditionError("files differ"));
  ASSERT_THAT(ends_, SizeIs(1));
  EXPECT_THAT(ends_[0], StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("differ")));
  EXPECT_THAT(membership_.Members(), IsEmpty());
}

}  // namespace
}  // namespace gantry
