#include "coordinator/socket_folder.h"

#include <stdlib.h>
#include <unistd.h>

namespace gantry {
namespace {

// A socket's path has at most 107 bytes.
constexpr size_t kMaxBaseBytes = 64;

}  // namespace

std::optional<SocketFolder> SocketFolder::Make() {
  const char* const runtime = getenv("XDG_RUNTIME_DIR");
  for (std::string base : {std::string(runtime == nullptr ? "" : runtime), std::string("/tmp")}) {
    if (base.empty() || base.size() > kMaxBaseBytes) continue;
    std::string folder = base + "/gantry-XXXXXX";
    if (mkdtemp(folder.data()) != nullptr) return SocketFolder(std::move(folder));  // mode 0700
  }
  return std::nullopt;
}

SocketFolder::~SocketFolder() {
  if (folder_.empty()) return;
  unlink(socket().c_str());
  rmdir(folder_.c_str());
}

}  // namespace gantry
