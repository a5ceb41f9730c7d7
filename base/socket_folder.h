#ifndef GANTRY_BASE_SOCKET_FOLDER_H_
#define GANTRY_BASE_SOCKET_FOLDER_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace gantry {

// A fresh folder that only this user may enter, for a UNIX socket: under $XDG_RUNTIME_DIR, or /tmp.
// Removed, with the socket, when destroyed.
class SocketFolder {
 public:
  static absl::StatusOr<SocketFolder> Create();
  SocketFolder(SocketFolder&& other) noexcept;
  SocketFolder& operator=(SocketFolder&&) = delete;
  ~SocketFolder();

  // What the destructor does, earlier. May be called twice.
  void Remove() const;
  // Where to put the socket.
  std::string socket_path() const;

 private:
  explicit SocketFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace gantry

#endif  // GANTRY_BASE_SOCKET_FOLDER_H_
