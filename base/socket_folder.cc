#include "base/socket_folder.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace gantry {
namespace {

// sun_path holds 108 bytes with the final NUL.
constexpr size_t kLongestSocketPath = 107;

}  // namespace

absl::StatusOr<SocketFolder> SocketFolder::Create() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  std::string error;
  for (const std::string& parent :
       {std::string(runtime == nullptr ? "" : runtime), std::string("/tmp")}) {
    if (parent.empty() || parent[0] != '/') continue;
    std::string path = absl::StrCat(parent, "/gantry-XXXXXX");
    if (mkdtemp(path.data()) == nullptr) {  // mode 0700
      error = absl::StrCat(parent, ": ", std::strerror(errno));
      continue;
    }
    SocketFolder folder(path);
    if (folder.socket_path().size() <= kLongestSocketPath) return folder;
    error = absl::StrCat(parent, ": too long a path for a socket");
  }
  return absl::UnavailableError(absl::StrCat("cannot make a folder for the UNIX socket: ", error));
}

SocketFolder::SocketFolder(SocketFolder&& other) noexcept : path_(std::move(other.path_)) {
  other.path_.clear();
}

SocketFolder::~SocketFolder() { Remove(); }

void SocketFolder::Remove() const {
  if (path_.empty()) return;
  unlink(socket_path().c_str());
  rmdir(path_.c_str());
}

std::string SocketFolder::socket_path() const { return absl::StrCat(path_, "/grpc.sock"); }

}  // namespace gantry
