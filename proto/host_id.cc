#include "proto/host_id.h"

#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"

namespace gantry {

std::string HostId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  char network[64];
  const ssize_t length = readlink("/proc/self/ns/net", network, sizeof(network));
  if (!std::getline(file, boot) || length <= 0) return "";
  return absl::StrCat(boot, "/", absl::string_view(network, length), "/", geteuid());
}

}  // namespace gantry
