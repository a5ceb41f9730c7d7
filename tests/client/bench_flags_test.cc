#include "client/bench_flags.h"

#include <initializer_list>
#include <vector>

#include "absl/flags/reflection.h"
#include "base/flags.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BenchFlagsTest : public ::testing::Test {
 protected:
  absl::StatusOr<BenchOptions> Parse(std::initializer_list<const char*> flags) {
    std::vector<char*> argv = {const_cast<char*>("bench")};
    for (const char* flag : flags) argv.push_back(const_cast<char*>(flag));
    ParseFlags(argv.size(), argv.data(), kBenchUsage, {"client/bench_flags"});
    return BenchOptionsFromFlags();
  }

 private:
  absl::FlagSaver saver_;
};

TEST_F(BenchFlagsTest, Defaults) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const BenchOptions options, Parse({}));
  EXPECT_THAT(options.concurrency, ElementsAre(1, 8, 32));
  EXPECT_EQ(options.load.prompt_tokens, 512);
  EXPECT_EQ(options.load.max_new_tokens, 128);
  EXPECT_TRUE(options.load.ignore_eos);
  EXPECT_FALSE(Parse({"--noignore_eos"})->load.ignore_eos);
  EXPECT_EQ(LevelOptions(options, 1).requests, 8);
  EXPECT_EQ(LevelOptions(options, 32).requests, 128);
  EXPECT_NE(LevelOptions(options, 1).seed, LevelOptions(options, 8).seed);
}

TEST_F(BenchFlagsTest, RequestsHoldAtEveryLevel) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const BenchOptions options, Parse({"--requests", "5"}));
  EXPECT_EQ(LevelOptions(options, 32).requests, 5);
}

TEST_F(BenchFlagsTest, RefusesWhatItCannotRun) {
  for (const char* flag :
       {"--concurrency=", "--concurrency=0", "--concurrency=1,x", "--concurrency=100000",
        "--prompt_tokens=0", "--max_new_tokens=0", "--requests=-1", "--warmup=-1"}) {
    const absl::FlagSaver saver;
    const std::string name = std::string(flag).substr(0, std::string(flag).find('='));
    EXPECT_THAT(Parse({flag}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
  }
}

TEST_F(BenchFlagsTest, FitsTheServer) {
  GANTRY_ASSERT_OK_AND_ASSIGN(BenchOptions options,
                              Parse({"--prompt_tokens=100", "--max_new_tokens=28"}));
  v1::GetStatusResponse status;
  status.set_context(128);
  GANTRY_EXPECT_OK(FitToServer(status, &options));
  EXPECT_EQ(options.load.vocab_size, 1000);
  status.set_vocab_size(50);
  GANTRY_EXPECT_OK(FitToServer(status, &options));
  EXPECT_EQ(options.load.vocab_size, 50);
  status.set_context(127);
  EXPECT_THAT(FitToServer(status, &options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("127")));
}

}  // namespace
}  // namespace gantry
