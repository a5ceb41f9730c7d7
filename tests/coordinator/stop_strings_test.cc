#include "coordinator/stop_strings.h"

#include "gtest/gtest.h"

namespace gantry {
namespace {

TEST(StopStringsTest, PassesTextWithoutStopsThrough) {
  StopStrings stop({});
  EXPECT_EQ(stop.Add("abc"), "abc");
  EXPECT_EQ(stop.Finish(), "");
}

TEST(StopStringsTest, HoldsBackWhatMayBeginAStop) {
  StopStrings stop({"END"});
  EXPECT_EQ(stop.Add("aE"), "a");
  EXPECT_EQ(stop.Add("N"), "");
  EXPECT_EQ(stop.Add("x"), "ENx");
  EXPECT_FALSE(stop.stopped());
}

TEST(StopStringsTest, EndsBeforeAStopAcrossPieces) {
  StopStrings stop({"END"});
  EXPECT_EQ(stop.Add("one E"), "one ");
  EXPECT_EQ(stop.Add("ND two"), "");
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.Add("three"), "");
  EXPECT_EQ(stop.Finish(), "");
}

TEST(StopStringsTest, TheEarliestOfSeveralWins) {
  StopStrings stop({"later", "la"});
  EXPECT_EQ(stop.Add("x later"), "x ");
  EXPECT_TRUE(stop.stopped());
}

TEST(StopStringsTest, WhatEndsTooEarlyIsText) {
  StopStrings stop({"END", "N"});
  EXPECT_EQ(stop.Add("END EN", false), "END ");
  EXPECT_FALSE(stop.stopped());
  // The "N" that is held back ended too early; "END" ends now.
  EXPECT_EQ(stop.Add("D", true), "");
  EXPECT_TRUE(stop.stopped());
}

TEST(StopStringsTest, WhatEndsTooEarlyIsGivenOutWhenNothingFollows) {
  StopStrings stop({"END", "N"});
  EXPECT_EQ(stop.Add("EN", false), "");
  EXPECT_EQ(stop.Add("x", true), "ENx");
  EXPECT_EQ(stop.Add("N", true), "");
  EXPECT_TRUE(stop.stopped());
}

TEST(StopStringsTest, ARepeatedBeginningIsNotLost) {
  StopStrings stop({"aab"});
  EXPECT_EQ(stop.Add("aa"), "");
  EXPECT_EQ(stop.Add("a"), "a");
  EXPECT_EQ(stop.Add("b!"), "");
  EXPECT_TRUE(stop.stopped());
}

TEST(StopStringsTest, FinishGivesWhatWasHeldBack) {
  StopStrings stop({"END"});
  EXPECT_EQ(stop.Add("theEN"), "the");
  EXPECT_EQ(stop.Finish(), "EN");
}

// Whatever the pieces, the text is the same.
TEST(StopStringsTest, DoesNotDependOnThePieces) {
  const std::string text = "abcabdabcabcd-abcabcabd rest";
  for (size_t size = 1; size <= text.size(); ++size) {
    StopStrings stop({"abcabcabd", "zzz"});
    std::string out;
    for (size_t at = 0; at < text.size(); at += size) out += stop.Add(text.substr(at, size));
    out += stop.Finish();
    EXPECT_EQ(out, "abcabdabcabcd-") << size;
    EXPECT_TRUE(stop.stopped());
  }
}

}  // namespace
}  // namespace gantry
