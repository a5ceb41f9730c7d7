#include "coordinator/client_shares.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ClientSharesTest, NumbersThoseThatAreHereByName) {
  ClientShares shares;
  EXPECT_THAT(shares.Number(), IsEmpty());
  ClientShares::Client* const b = shares.Enter("b");
  ClientShares::Client* const a = shares.Enter("a");
  EXPECT_EQ(shares.Enter("b"), b);
  a->served += 5;
  b->served += 12;
  EXPECT_THAT(shares.Number(), ElementsAre(0, 7));
  EXPECT_EQ(a->index, 0);
  EXPECT_EQ(b->index, 1);
  shares.Leave(b);
  EXPECT_THAT(shares.Number(), ElementsAre(0, 7));  // another of its requests is here
}

TEST(ClientSharesTest, WhoComesLateBeginsWithTheLeast) {
  ClientShares shares;
  shares.Enter("a")->served = 100;
  shares.Enter("b")->served = 130;
  EXPECT_EQ(shares.Enter("c")->served, 100);
}

TEST(ClientSharesTest, LeavingDoesNotWipeOutWhatOneHadBeyondOthers) {
  ClientShares shares;
  shares.Enter("a");
  ClientShares::Client* greedy = shares.Enter("greedy");
  greedy->served = 50;
  shares.Leave(greedy);
  EXPECT_EQ(shares.size(), 2);
  EXPECT_EQ(shares.Enter("greedy")->served, 50);
}

TEST(ClientSharesTest, BeingAwaySavesUpNoClaim) {
  ClientShares shares;
  ClientShares::Client* const a = shares.Enter("a");
  ClientShares::Client* b = shares.Enter("b");
  b->served = 50;
  shares.Leave(b);
  a->served = 80;
  EXPECT_EQ(shares.Enter("b")->served, 80);
}

TEST(ClientSharesTest, RemembersNobodyWhenNobodyIsHere) {
  ClientShares shares;
  ClientShares::Client* const a = shares.Enter("a");
  a->served = 50;
  shares.Leave(a);
  EXPECT_EQ(shares.size(), 0);
  EXPECT_EQ(shares.Enter("a")->served, 0);
}

TEST(ClientSharesTest, RemembersOnlyThoseThatHadMoreThanTheLeast) {
  ClientShares shares;
  ClientShares::Client* const here = shares.Enter("here");
  here->served = 10;
  for (int i = 0; i < 1000; ++i) shares.Leave(shares.Enter(std::to_string(i)));
  EXPECT_EQ(shares.size(), 1);
}

}  // namespace
}  // namespace gantry
