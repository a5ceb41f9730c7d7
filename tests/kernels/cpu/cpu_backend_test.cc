#include "kernels/cpu/cpu_backend.h"

#include "kernels/cpu/memory_bandwidth.h"
#include "tests/kernels/kernel_testing.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

absl::Status Make(int threads, const std::string& isa) {
  CpuOptions options;
  options.threads = threads;
  options.isa = isa;
  return MakeCpuBackend(options).status();
}

TEST(CpuBackendTest, NamesItsInstructionSet) {
  EXPECT_EQ(CpuOrDie("portable", 1)->name(), "cpu-portable");
  EXPECT_EQ(CpuOrDie("", 0)->name(), "cpu-" + AvailableIsas().front());
}

TEST(CpuBackendTest, UnknownInstructionSetsAreErrors) {
  EXPECT_THAT(Make(1, "sse9"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"sse9\"")));
  for (const char* isa : {"avx512", "avx2", "portable"}) {
    const absl::Status status = Make(1, isa);
    if (!status.ok()) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(isa)));
    }
  }
}

TEST(CpuBackendTest, ThreadsOutOfRangeAreErrors) {
  EXPECT_THAT(Make(-1, ""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("-1")));
  EXPECT_THAT(Make(1025, ""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1025")));
}

TEST(CpuBackendTest, MeasuresABandwidth) {
  auto bandwidth = MeasureReadBandwidth(2);
  GANTRY_ASSERT_OK(bandwidth);
  EXPECT_GT(*bandwidth, 1e7);
  EXPECT_LT(*bandwidth, 1e14);
}

}  // namespace
}  // namespace gantry
