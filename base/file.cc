#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace gantry {

File::File(std::string path, int fd, uint64_t size)
    : path_(std::move(path)), fd_(fd), size_(size) {}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

File::~File() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<File> File::Open(const std::string& path) {
  // Without O_NONBLOCK a FIFO would block here until someone writes to it.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  struct stat info;
  if (fstat(fd, &info) != 0) {
    const int error = errno;
    close(fd);
    return absl::ErrnoToStatus(error, absl::StrCat("cannot stat ", path));
  }
  if (!S_ISREG(info.st_mode)) {
    close(fd);
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  return File(path, fd, static_cast<uint64_t>(info.st_size));
}

absl::Status File::ReadAt(uint64_t offset, size_t length, void* out) const {
  char* to = static_cast<char*>(out);
  while (length > 0) {
    const ssize_t got = pread(fd_, to, std::min<size_t>(length, 1 << 30), offset);
    if (got < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path_, " at offset ", offset));
    }
    if (got == 0) {
      return absl::DataLossError(absl::StrCat(path_, " ends at offset ", offset, ", ", length,
                                              " bytes before the end of what was to be read"));
    }
    to += got;
    offset += got;
    length -= got;
  }
  return absl::OkStatus();
}

void File::DropCache(uint64_t offset, uint64_t length) const {
  posix_fadvise(fd_, offset, length, POSIX_FADV_DONTNEED);
}

OutputFile::OutputFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", path));
  return OutputFile(path, fd);
}

absl::Status OutputFile::WriteAt(uint64_t offset, absl::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t put = pwrite(fd_, bytes.data(), std::min<size_t>(bytes.size(), 1 << 30), offset);
    if (put < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path_));
    }
    offset += put;
    bytes.remove_prefix(put);
  }
  return absl::OkStatus();
}

absl::Status OutputFile::Sync() const {
  if (fsync(fd_) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path_));
}

absl::Status WriteFile(const std::string& path, absl::string_view contents) {
  GANTRY_ASSIGN_OR_RETURN(const OutputFile file, OutputFile::Create(path));
  GANTRY_RETURN_IF_ERROR(file.WriteAt(0, contents));
  return file.Sync();
}

absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes) {
  GANTRY_ASSIGN_OR_RETURN(const File file, File::Open(path));
  if (file.size() > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, " has ", file.size(), " bytes; at most ", max_bytes, " are read"));
  }
  std::string contents(file.size(), '\0');
  GANTRY_RETURN_IF_ERROR(file.ReadAt(0, contents.size(), contents.data()));
  return contents;
}

bool FileExists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

std::string JoinPath(absl::string_view folder, absl::string_view name) {
  if (folder.empty() || folder.back() == '/') return absl::StrCat(folder, name);
  return absl::StrCat(folder, "/", name);
}

}  // namespace gantry
