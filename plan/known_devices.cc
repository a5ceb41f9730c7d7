#include "plan/known_devices.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace gantry {
namespace {

constexpr MemoryKind kGpu = MemoryKind::kGpu;
constexpr MemoryKind kCpu = MemoryKind::kCpu;

// GeForce cards: the white papers' rows "with FP32 accumulate", which is half of what is
// advertised. Data sheets that give figures with sparsity are halved. A CPU's bandwidth is its
// memory channels at their highest official speed, its throughput cores x base clock x flops a
// cycle.
constexpr KnownDevice kDevices[] = {
    {"RTX 2080 Ti", "2080ti", kGpu, 11264, 616, 53.8, 215, "NVIDIA Turing white paper"},
    {"RTX 3060", "3060", kGpu, 12288, 360, 25.5, 102, "NVIDIA product page; GA106 as GA102"},
    {"RTX 3070", "3070", kGpu, 8192, 448, 40.6, 163, "NVIDIA GA102 white paper"},
    {"RTX 3080", "3080", kGpu, 10240, 760, 59.5, 238, "NVIDIA GA102 white paper"},
    {"RTX 3090", "3090", kGpu, 24576, 936, 71, 284, "NVIDIA GA102 white paper"},
    {"RTX 4060 Ti 8GB", "rtx4060ti|4060ti", kGpu, 8188, 288, 44, 177, "NVIDIA product page"},
    {"RTX 4060 Ti 16GB", "4060ti16gb", kGpu, 16380, 288, 44, 177, "NVIDIA product page"},
    {"RTX 4070", "4070", kGpu, 12282, 504, 58.3, 233, "NVIDIA product page"},
    {"RTX 4080", "4080", kGpu, 16376, 716.8, 97.5, 390, "NVIDIA Ada white paper"},
    {"RTX 4090", "4090", kGpu, 24564, 1008, 165.2, 660.6, "NVIDIA Ada white paper"},
    {"RTX 5090", "5090", kGpu, 32607, 1792, 209.5, 838, "NVIDIA RTX Blackwell white paper"},
    {"RTX A4000", "a4000", kGpu, 16376, 448, 76.7, 153, "NVIDIA RTX A4000 data sheet"},
    {"RTX A5000", "a5000", kGpu, 24564, 768, 111, 222, "NVIDIA RTX A5000 data sheet"},
    {"RTX A6000", "a6000", kGpu, 49140, 768, 154.8, 309.7, "NVIDIA RTX A6000 data sheet"},
    {"RTX 6000 Ada", "6000ada", kGpu, 49140, 960, 364, 728, "NVIDIA RTX 6000 Ada data sheet"},
    {"Tesla P40", "p40", kGpu, 23040, 346, 11.8, 47,
     "NVIDIA Tesla P40 data sheet; fp32, no tensor cores"},
    {"V100 16GB", "v100|v100sxm216gb", kGpu, 16160, 900, 125, 62,
     "NVIDIA V100 data sheet, SXM2; int8 without tensor cores"},
    {"V100 32GB", "v100sxm232gb|v10032", kGpu, 32510, 900, 125, 62,
     "NVIDIA V100 data sheet, SXM2; int8 without tensor cores"},
    {"T4", "teslat4", kGpu, 15360, 320, 65, 130, "NVIDIA T4 data sheet"},
    {"A10", "a10g", kGpu, 23028, 600, 125, 250, "NVIDIA A10 data sheet"},
    {"L4", "", kGpu, 23034, 300, 121, 242, "NVIDIA L4 data sheet"},
    {"L40S", "", kGpu, 46068, 864, 362, 733, "NVIDIA L40S data sheet"},
    {"A100 40GB", "a100|a10040", kGpu, 40960, 1555, 312, 624, "NVIDIA A100 data sheet"},
    {"A100 80GB", "a10080|a100sxm80gb|a100sxm480gb", kGpu, 81920, 2039, 312, 624,
     "NVIDIA A100 data sheet, SXM"},
    {"A100 80GB PCIe", "a100pcie", kGpu, 81920, 1935, 312, 624, "NVIDIA A100 data sheet, PCIe"},
    {"H100 PCIe", "h100pcie80gb", kGpu, 81559, 2000, 756, 1513, "NVIDIA H100 data sheet, PCIe"},
    {"H100 SXM", "h100|h100sxm5|h10080gb|h100sxm80gb", kGpu, 81559, 3350, 989, 1979,
     "NVIDIA H100 data sheet, SXM"},
    {"H200", "h200sxm|h200141gb", kGpu, 143771, 4800, 989, 1979, "NVIDIA H200 data sheet, SXM"},
    {"B200", "b200sxm", kGpu, 183359, 8000, 2250, 4500, "NVIDIA HGX B200 data sheet"},
    {"EPYC 7763", "7763", kCpu, 0, 204.8, 5.0, 0, "AMD: 8 x DDR4-3200, 64 cores, 2.45 GHz, AVX2"},
    {"EPYC 9654", "9654", kCpu, 0, 460.8, 7.4, 0,
     "AMD: 12 x DDR5-4800, 96 cores, 2.4 GHz, AVX-512 at half rate"},
    {"EPYC 9755", "9755", kCpu, 0, 576, 22, 0, "AMD: 12 x DDR5-6000, 128 cores, 2.7 GHz, AVX-512"},
    {"Xeon 8380", "8380", kCpu, 0, 204.8, 5.9, 0,
     "Intel: 8 x DDR4-3200, 40 cores, 2.3 GHz, AVX-512"},
    {"Xeon 8480+", "xeon8480|8480", kCpu, 0, 307.2, 7.2, 0,
     "Intel: 8 x DDR5-4800, 56 cores, 2.0 GHz, AVX-512"},
    {"Threadripper 7970X", "7970x", kCpu, 0, 166.4, 4.1, 0,
     "AMD: 4 x DDR5-5200, 32 cores, 4.0 GHz, AVX-512 at half rate"},
    {"Ryzen 7950X", "ryzen97950x|7950x", kCpu, 0, 83.2, 2.3, 0,
     "AMD: 2 x DDR5-5200, 16 cores, 4.5 GHz, AVX-512 at half rate"},
    {"Ryzen 9950X", "ryzen99950x|9950x", kCpu, 0, 89.6, 4.4, 0,
     "AMD: 2 x DDR5-5600, 16 cores, 4.3 GHz, AVX-512"},
    {"Core i9-14900K", "i914900k|14900k", kCpu, 0, 89.6, 1.3, 0,
     "Intel: 2 x DDR5-5600, 8 performance cores, 3.2 GHz, AVX2; half of 2.6 for shared power"},
};

// By memory, smallest first: the first whose memory_mib is not below the device's is taken.
constexpr KnownDevice kAssumedGpus[] = {
    {"GPU up to 8 GB", "", kGpu, 8192, 256, 20, 80, "assumed"},
    {"GPU up to 16 GB", "", kGpu, 16384, 288, 40, 130, "assumed"},
    {"GPU up to 24 GB", "", kGpu, 24576, 600, 70, 222, "assumed"},
    {"GPU up to 48 GB", "", kGpu, 49152, 768, 150, 300, "assumed"},
    {"GPU up to 80 GB", "", kGpu, 81920, 1555, 312, 624, "assumed"},
    {"GPU above 80 GB", "", kGpu, int64_t{1} << 40, 3350, 756, 1513, "assumed"},
};
// Two channels of DDR4-3200, of which a desktop reads about 40 GB/s.
constexpr KnownDevice kAssumedCpu = {"CPU", "", kCpu, 0, 40, 0.5, 0, "assumed"};

}  // namespace

absl::Span<const KnownDevice> KnownDevices() { return kDevices; }

std::string NormalDeviceName(absl::string_view name) {
  std::string normal;
  for (char c : name) {
    if (absl::ascii_isalnum(c)) normal.push_back(absl::ascii_tolower(c));
  }
  absl::string_view rest = normal;
  for (absl::string_view maker : {"nvidia", "geforce", "amd", "intel"}) {
    absl::ConsumePrefix(&rest, maker);
  }
  return std::string(rest);
}

const KnownDevice* FindKnownDevice(absl::string_view name, MemoryKind kind) {
  const std::string normal = NormalDeviceName(name);
  if (normal.empty()) return nullptr;
  for (const KnownDevice& device : kDevices) {
    if (device.kind != kind) continue;
    if (NormalDeviceName(device.name) == normal) return &device;
    for (absl::string_view alias : absl::StrSplit(device.aliases, '|')) {
      if (alias == normal) return &device;
    }
  }
  return nullptr;
}

const KnownDevice& AssumedDevice(uint64_t memory_bytes, MemoryKind kind) {
  if (kind == MemoryKind::kCpu) return kAssumedCpu;
  for (const KnownDevice& device : kAssumedGpus) {
    if (memory_bytes <= static_cast<uint64_t>(device.memory_mib) << 20) return device;
  }
  return kAssumedGpus[std::size(kAssumedGpus) - 1];
}

std::string KnownDeviceNames(MemoryKind kind) {
  std::vector<absl::string_view> names;
  for (const KnownDevice& device : kDevices) {
    if (device.kind == kind) names.push_back(device.name);
  }
  return absl::StrJoin(names, ", ");
}

}  // namespace gantry
