#include "plan/device_spec.h"

#include "plan/known_devices.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::StatusOr<std::vector<HardwareDevice>> Gpus(absl::string_view text) {
  return ParseDevices(text, MemoryKind::kGpu, "--gpus");
}

TEST(DeviceSpecTest, CountsAndSizes) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto devices, Gpus("2x24GB, 1x80GiB,16gb"));
  ASSERT_EQ(devices.size(), 4);
  EXPECT_EQ(devices[0].memory_bytes, 24'000'000'000);
  EXPECT_EQ(devices[1].name, "1");
  EXPECT_EQ(devices[2].memory_bytes, uint64_t{80} << 30);
  EXPECT_EQ(devices[3].memory_bytes, 16'000'000'000);
  EXPECT_TRUE(devices[0].assumed_speed);
}

TEST(DeviceSpecTest, NamesInManySpellings) {
  for (const char* name : {"2xRTX4090", "2xrtx-4090", "2xNVIDIA GeForce RTX 4090", "2x4090"}) {
    SCOPED_TRACE(name);
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto devices, Gpus(name));
    ASSERT_EQ(devices.size(), 2);
    EXPECT_EQ(devices[0].product, "RTX 4090");
    EXPECT_EQ(devices[0].bytes_per_s, 1008e9);
    EXPECT_FALSE(devices[0].assumed_speed);
  }
}

TEST(DeviceSpecTest, GivenBandwidthAndGivenMemory) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto devices, Gpus("24GB@1008GB/s,1x20GB@RTX4090"));
  EXPECT_EQ(devices[0].bytes_per_s, 1008e9);
  EXPECT_FALSE(devices[0].assumed_speed);
  EXPECT_EQ(devices[1].memory_bytes, 20'000'000'000);
  EXPECT_EQ(devices[1].product, "RTX 4090");
  EXPECT_EQ(devices[1].bytes_per_s, 1008e9);
}

TEST(DeviceSpecTest, Cpus) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const auto devices, ParseDevices("1x64GB@80GB/s,64GB@EPYC9654", MemoryKind::kCpu, "--cpus"));
  EXPECT_EQ(devices[0].name, "cpu");
  EXPECT_EQ(devices[0].bytes_per_s, 80e9);
  EXPECT_EQ(devices[1].name, "cpu:1");
  EXPECT_EQ(devices[1].product, "EPYC 9654");
}

TEST(DeviceSpecTest, WhatIsRefusedIsQuotedWithAnExample) {
  for (const char* text : {"0x24GB",
                           "2x-1GB",
                           "2x24",
                           "999999999x1TB",
                           "99999999999999999999x1TB",
                           "1025x1GB",
                           "1000x1GB,25x1GB",
                           "NaN",
                           "2xNaNGB",
                           "infGB",
                           "2\xc3\x97"
                           "24GB",
                           "",
                           ",",
                           "2x",
                           "x24GB",
                           "-2x24GB",
                           "2x24GB,",
                           "1x1B",
                           "1x1e300GB",
                           "1x99999999TB",
                           "2x24GB@",
                           "2x24GB@0GB/s",
                           "2x24GB@1008",
                           "2x24GB@-1GB/s",
                           "2x24GB@nanGB/s",
                           "2xRTX9999",
                           "2x24GB@1GB/s@2GB/s",
                           "1xEPYC9654",
                           "\xff\xfe",
                           "1x24GB\n2x"}) {
    SCOPED_TRACE(text);
    EXPECT_THAT(Gpus(text), StatusIs(absl::StatusCode::kInvalidArgument,
                                     AllOf(HasSubstr("--gpus: \""), HasSubstr("2x24GB,1x80GB"))));
  }
  EXPECT_FALSE(Gpus(std::string(10'000'000, '1')).ok());
  EXPECT_THAT(ParseDevices("EPYC9654", MemoryKind::kCpu, "--cpus"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("memory too")));
}

TEST(DeviceSpecTest, Network) {
  GANTRY_ASSERT_OK_AND_ASSIGN(NetworkLink link, ParseNetwork("10Gbit,0.2ms", "--network"));
  EXPECT_EQ(link.bytes_per_s, 1.25e9);
  EXPECT_NEAR(link.latency_s, 250e-6, 1e-12);
  GANTRY_ASSERT_OK_AND_ASSIGN(link, ParseNetwork("100us", "--network"));
  EXPECT_EQ(link.bytes_per_s, 1e9);
  GANTRY_ASSERT_OK_AND_ASSIGN(link, ParseNetwork("5GB/s", "--network"));
  EXPECT_EQ(link.bytes_per_s, 5e9);
  for (const char* text : {"", "10", "10GB", "inf", "-1ms", "1h", "nan,nan", "1ms,1ms", "0Gbit"}) {
    EXPECT_FALSE(ParseNetwork(text, "--network").ok()) << text;
  }
}

TEST(KnownDevicesTest, EveryDeviceIsFoundByAllItsNamesAndHasFigures) {
  for (const KnownDevice& device : KnownDevices()) {
    SCOPED_TRACE(std::string(device.name));
    EXPECT_EQ(FindKnownDevice(device.name, device.kind), &device);
    EXPECT_GT(device.gigabytes_per_s, 0);
    EXPECT_GT(device.teraflops, 0);
    EXPECT_FALSE(device.source.empty());
    EXPECT_EQ(device.kind == MemoryKind::kGpu, device.memory_mib > 0);
  }
  EXPECT_EQ(FindKnownDevice("", MemoryKind::kGpu), nullptr);
  EXPECT_EQ(FindKnownDevice("nvidia", MemoryKind::kGpu), nullptr);
}

TEST(KnownDevicesTest, AssumedSpeedsGrowWithTheSize) {
  double last = 0;
  for (uint64_t gb : {4, 8, 12, 16, 24, 48, 80, 141}) {
    const double speed = AssumedDevice(gb * 1'000'000'000, MemoryKind::kGpu).gigabytes_per_s;
    EXPECT_GE(speed, last);
    last = speed;
  }
}

}  // namespace
}  // namespace gantry
