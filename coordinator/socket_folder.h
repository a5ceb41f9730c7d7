#ifndef GANTRY_COORDINATOR_SOCKET_FOLDER_H_
#define GANTRY_COORDINATOR_SOCKET_FOLDER_H_

#include <optional>
#include <string>
#include <utility>

namespace gantry {

// A folder for one UNIX socket that only this user may enter. Removed with its content at the end.
class SocketFolder {
 public:
  // Below $XDG_RUNTIME_DIR, else /tmp. Nothing when it cannot be made.
  static std::optional<SocketFolder> Make();
  SocketFolder(SocketFolder&& other) noexcept : folder_(std::exchange(other.folder_, "")) {}
  SocketFolder& operator=(SocketFolder&& other) noexcept {
    std::swap(folder_, other.folder_);
    return *this;
  }
  ~SocketFolder();

  std::string socket() const { return folder_ + "/coordinator"; }

 private:
  explicit SocketFolder(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_SOCKET_FOLDER_H_
