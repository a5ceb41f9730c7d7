#include "worker/unix_socket_folder.h"

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

absl::StatusOr<UnixSocketFolder> UnixSocketFolder::Create() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  std::string error;
  for (const std::string& parent :
       {std::string(runtime == nullptr ? "" : runtime), std::string("/tmp")}) {
    if (parent.empty() || parent[0] != '/') continue;
    std::string path = absl::StrCat(parent, "/gantry-worker-XXXXXX");
    if (mkdtemp(path.data()) == nullptr) {  // mode 0700
      error = absl::StrCat(parent, ": ", std::strerror(errno));
      continue;
    }
    UnixSocketFolder folder(path);
    if (folder.socket_path().size() <= kLongestSocketPath) return folder;
    error = absl::StrCat(parent, ": too long a path for a socket");
  }
  return absl::UnavailableError(absl::StrCat("cannot make a folder for the UNIX socket: ", error));
}

UnixSocketFolder::UnixSocketFolder(UnixSocketFolder&& other) noexcept
    : path_(std::move(other.path_)) {
  other.path_.clear();
}

UnixSocketFolder::~UnixSocketFolder() { Remove(); }

void UnixSocketFolder::Remove() const {
  if (path_.empty()) return;
  unlink(socket_path().c_str());
  rmdir(path_.c_str());
}

std::string UnixSocketFolder::socket_path() const { return absl::StrCat(path_, "/stage.sock"); }

}  // namespace gantry
