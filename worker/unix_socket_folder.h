#ifndef GANTRY_WORKER_UNIX_SOCKET_FOLDER_H_
#define GANTRY_WORKER_UNIX_SOCKET_FOLDER_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace gantry {

// A fresh folder that only this user may enter, for a UNIX socket: under $XDG_RUNTIME_DIR, or /tmp.
// Removed, with the socket, when destroyed.
class UnixSocketFolder {
 public:
  static absl::StatusOr<UnixSocketFolder> Create();
  UnixSocketFolder(UnixSocketFolder&& other) noexcept;
  UnixSocketFolder& operator=(UnixSocketFolder&&) = delete;
  ~UnixSocketFolder();

  // What the destructor does, earlier. May be called twice.
  void Remove() const;
  // Where to put the socket.
  std::string socket_path() const;

 private:
  explicit UnixSocketFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace gantry

#endif  // GANTRY_WORKER_UNIX_SOCKET_FOLDER_H_
