#include "worker/host_memory_info.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace gantry {
namespace {

// Files of /proc and /sys say nothing of their size beforehand.
std::string ReadText(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The least limit of the control groups that this process is in, of either version.
std::optional<uint64_t> CgroupLimit() {
  std::optional<uint64_t> least;
  auto consider = [&least](const std::string& path) {
    const std::optional<uint64_t> limit = ParseCgroupLimit(ReadText(path));
    if (limit.has_value()) least = std::min(limit.value(), least.value_or(UINT64_MAX));
  };
  consider("/sys/fs/cgroup/memory.max");
  consider("/sys/fs/cgroup/memory/memory.limit_in_bytes");
  const std::string groups = ReadText("/proc/self/cgroup");
  for (absl::string_view line : absl::StrSplit(groups, '\n')) {
    // hierarchy:controllers:path
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    if (fields[1].empty()) consider(absl::StrCat("/sys/fs/cgroup", fields[2], "/memory.max"));
    if (fields[1] == "memory") {
      consider(absl::StrCat("/sys/fs/cgroup/memory", fields[2], "/memory.limit_in_bytes"));
    }
  }
  return least;
}

}  // namespace

std::optional<uint64_t> MeminfoField(absl::string_view text, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, key) || !absl::ConsumePrefix(&line, ":")) continue;
    uint64_t kilobytes;
    absl::ConsumeSuffix(&line, " kB");
    if (absl::SimpleAtoi(line, &kilobytes) && kilobytes < UINT64_MAX / 1024) {
      return kilobytes * 1024;
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> ParseCgroupLimit(absl::string_view text) {
  uint64_t bytes;
  if (!absl::SimpleAtoi(text, &bytes)) return std::nullopt;
  return bytes;
}

absl::StatusOr<uint64_t> AvailableMemory() {
  const std::optional<uint64_t> host = MeminfoField(ReadText("/proc/meminfo"), "MemAvailable");
  const std::optional<uint64_t> group = CgroupLimit();
  if (!host.has_value() && !group.has_value()) {
    return absl::UnavailableError(
        "cannot read /proc/meminfo to tell how much memory there is; say it with --memory");
  }
  return std::min(host.value_or(UINT64_MAX), group.value_or(UINT64_MAX));
}

uint64_t ResidentMemory() {
  const std::string statm = ReadText("/proc/self/statm");
  const std::vector<absl::string_view> fields = absl::StrSplit(statm, ' ');
  uint64_t pages;
  if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &pages)) return 0;
  return pages * sysconf(_SC_PAGESIZE);
}

}  // namespace gantry
