#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/cuda/cuda_backend.h"
#include "tests/kernels/cuda/device_testing.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

TEST(NoDeviceTest, IsNamed) {
  const absl::Status described = DescribeCudaDevice(4096).status();
  EXPECT_FALSE(described.ok());
  EXPECT_THAT(described.message(), HasSubstr("cuda:4096"));
  const absl::Status made = MakeCudaBackend(4096).status();
  EXPECT_FALSE(made.ok());
  EXPECT_THAT(made.message(), HasSubstr("cuda:4096"));
}

TEST_F(DeviceTest, IsDescribed) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const CudaDeviceInfo info, DescribeCudaDevice(0));
  EXPECT_FALSE(info.name.empty());
  EXPECT_GE(10 * info.major + info.minor, 75);
  EXPECT_LE(info.free_bytes, info.total_bytes);
  EXPECT_GE(info.total_bytes, uint64_t{1} << 30);
  EXPECT_GT(info.read_bytes_per_s, 1e10);
  EXPECT_LT(info.read_bytes_per_s, 1e14);
}

}  // namespace
}  // namespace gantry
