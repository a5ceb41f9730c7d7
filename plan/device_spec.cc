#include "plan/device_spec.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "plan/known_devices.h"

namespace gantry {
namespace {

constexpr size_t kMaxSpecBytes = 8192;
constexpr double kMinRate = 1e3;
constexpr double kMaxRate = 1e15;

std::string Quote(absl::string_view text) {
  std::string safe = ReplaceInvalidUtf8(text.substr(0, CompleteUtf8Prefix(text.substr(0, 60))));
  for (char& c : safe) {
    if (absl::ascii_iscntrl(c)) c = '?';
  }
  return absl::StrCat("\"", safe, "\"");
}

class Parser {
 public:
  Parser(MemoryKind kind, absl::string_view flag) : kind_(kind), flag_(flag) {}

  absl::Status Wrong(absl::string_view part, absl::string_view reason) const {
    const absl::string_view example = kind_ == MemoryKind::kGpu
                                          ? "--gpus 2x24GB,1x80GB or --gpus 2xRTX4090@1008GB/s"
                                          : "--cpus 1x64GB or --cpus 1x64GB@80GB/s";
    return absl::InvalidArgumentError(
        absl::StrCat(flag_, ": ", Quote(part), ": ", reason, "; for example ", example));
  }

  // "2x24GB@1008GB/s".
  absl::StatusOr<int64_t> ParsePart(absl::string_view part, HardwareDevice* device) const {
    absl::string_view rest = part;
    int64_t count = 1;
    const size_t digits = rest.find_first_not_of("0123456789");
    if (digits != 0 && digits != absl::string_view::npos &&
        absl::ascii_tolower(rest[digits]) == 'x') {
      if (digits > 9 || !absl::SimpleAtoi(rest.substr(0, digits), &count) || count < 1 ||
          count > kMaxDevices) {
        return Wrong(part, absl::StrCat("expected 1 to ", kMaxDevices, " devices"));
      }
      rest.remove_prefix(digits + 1);
    }
    const size_t at = rest.find('@');
    const absl::string_view what = absl::StripAsciiWhitespace(rest.substr(0, at));
    const KnownDevice* known = FindKnownDevice(what, kind_);
    if (known != nullptr && known->memory_mib > 0) {
      device->memory_bytes = static_cast<uint64_t>(known->memory_mib) << 20;
    } else if (known != nullptr) {
      return Wrong(part, absl::StrCat("expected its memory too, as 1x64GB@", what));
    } else {
      const absl::StatusOr<uint64_t> bytes = ParseBytes(what);
      if (!bytes.ok()) {
        // A list of names helps only someone who has tried one.
        const bool named = !what.empty() && absl::ascii_isalpha(what[0]);
        return Wrong(part, named ? absl::StrCat("expected a size such as 24GB, or one of ",
                                                KnownDeviceNames(kind_))
                                 : "expected a size with its unit, such as 24GB");
      }
      if (*bytes < kMinDeviceBytes || *bytes > kMaxDeviceBytes) {
        return Wrong(part, "expected a memory of 1MB to 1000TB");
      }
      device->memory_bytes = *bytes;
    }
    if (at == absl::string_view::npos) {
      Describe(known, device);
      return count;
    }
    absl::string_view speed = absl::StripAsciiWhitespace(rest.substr(at + 1));
    if (const KnownDevice* like = FindKnownDevice(speed, kind_); like != nullptr) {
      Describe(like, device);
      return count;
    }
    uint64_t rate = 0;
    const std::string lower = absl::AsciiStrToLower(speed);
    absl::string_view number = lower;
    if (absl::ConsumeSuffix(&number, "/s")) {
      if (const auto bytes = ParseBytes(number); bytes.ok()) rate = *bytes;
    }
    if (rate < 1'000'000 || static_cast<double>(rate) > kMaxRate) {
      return Wrong(part, "expected behind @ a bandwidth such as 1008GB/s or a device's name");
    }
    Describe(known, device);
    device->bytes_per_s = static_cast<double>(rate);
    device->assumed_speed = false;
    return count;
  }

 private:
  void Describe(const KnownDevice* known, HardwareDevice* device) const {
    device->kind = kind_;
    device->assumed_speed = known == nullptr;
    if (known != nullptr) device->product = std::string(known->name);
    const KnownDevice& like =
        known != nullptr ? *known : AssumedDevice(device->memory_bytes, kind_);
    device->bytes_per_s = like.gigabytes_per_s * 1e9;
    device->flops = like.teraflops * 1e12;
    device->int8_ops = like.int8_teraops * 1e12;
  }

  const MemoryKind kind_;
  const absl::string_view flag_;
};

// "10Gbit", "10Gbit/s", "1GB/s" in bytes a second; 0 for anything else.
double ParseRate(absl::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  absl::string_view rest = lower;
  const bool per_second = absl::ConsumeSuffix(&rest, "/s");
  if (absl::ConsumeSuffix(&rest, "it")) {
    const auto bits = ParseBytes(rest);  // "10gb", one byte standing for one bit
    return bits.ok() ? static_cast<double>(*bits) / 8 : 0;
  }
  if (!per_second) return 0;
  const auto bytes = ParseBytes(rest);
  return bytes.ok() ? static_cast<double>(*bytes) : 0;
}

}  // namespace

absl::StatusOr<std::vector<HardwareDevice>> ParseDevices(absl::string_view text, MemoryKind kind,
                                                         absl::string_view flag) {
  const Parser parser(kind, flag);
  if (text.size() > kMaxSpecBytes) return parser.Wrong(text, "too long");
  std::vector<HardwareDevice> devices;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    HardwareDevice device;
    GANTRY_ASSIGN_OR_RETURN(const int64_t count,
                            parser.ParsePart(absl::StripAsciiWhitespace(part), &device));
    if (devices.size() + count > kMaxDevices) {
      return parser.Wrong(part, absl::StrCat("more than ", kMaxDevices, " devices in all"));
    }
    devices.insert(devices.end(), count, device);
  }
  NameDevices(&devices);
  return devices;
}

absl::StatusOr<NetworkLink> ParseNetwork(absl::string_view text, absl::string_view flag) {
  NetworkLink link;
  bool has_rate = false;
  bool has_latency = false;
  for (absl::string_view part : absl::StrSplit(text.substr(0, kMaxSpecBytes), ',')) {
    part = absl::StripAsciiWhitespace(part);
    absl::Duration latency;
    if (const double rate = ParseRate(part); rate >= kMinRate && rate <= kMaxRate && !has_rate) {
      link.bytes_per_s = rate;
      has_rate = true;
    } else if (absl::ParseDuration(part, &latency) && latency >= absl::ZeroDuration() &&
               latency <= absl::Seconds(60) && !has_latency) {
      link.latency_s += absl::ToDoubleSeconds(latency);
      has_latency = true;
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(flag, ": ", Quote(part),
                       ": expected a rate, a latency of at most 60s or both, each once; for "
                       "example --network 10Gbit,0.2ms"));
    }
  }
  return link;
}

void NameDevices(std::vector<HardwareDevice>* devices) {
  int gpus = 0;
  int cpus = 0;
  for (HardwareDevice& device : *devices) {
    if (device.kind == MemoryKind::kGpu) {
      device.name = absl::StrCat(gpus++);
    } else {
      device.name = cpus == 0 ? "cpu" : absl::StrCat("cpu:", cpus);
      ++cpus;
    }
  }
}

}  // namespace gantry
