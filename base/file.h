#ifndef GANTRY_BASE_FILE_H_
#define GANTRY_BASE_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry {

// A file open for reading at any offset. Read with pread, never mapped: a file truncated while it
// is in use gives an error and not SIGBUS. Thread-safe once open.
class File {
 public:
  static absl::StatusOr<File> Open(const std::string& path);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::string& path() const { return path_; }
  // Bytes, when it was opened.
  uint64_t size() const { return size_; }
  // Reads exactly `length` bytes. DATA_LOSS, naming path and offset, when the file ends before.
  absl::Status ReadAt(uint64_t offset, size_t length, void* out) const;
  // Tells the kernel that the range will not be read again, so that weights do not push everything
  // else out of the page cache. Best effort.
  void DropCache(uint64_t offset, uint64_t length) const;

 private:
  File(std::string path, int fd, uint64_t size);
  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

// A file being written at any offset. Thread-safe once created.
class OutputFile {
 public:
  // ALREADY_EXISTS if there is something of that name.
  static absl::StatusOr<OutputFile> Create(const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();

  // RESOURCE_EXHAUSTED, naming the path, when the disk is full.
  absl::Status WriteAt(uint64_t offset, absl::string_view bytes) const;
  // Returns once all is on the disk.
  absl::Status Sync() const;

 private:
  OutputFile(std::string path, int fd);
  std::string path_;
  int fd_ = -1;
};

// Creates a file with these contents, on the disk when it returns. ALREADY_EXISTS.
absl::Status WriteFile(const std::string& path, absl::string_view contents);

// The whole file. RESOURCE_EXHAUSTED above `max_bytes`, NOT_FOUND when there is none.
absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes);

bool FileExists(const std::string& path);
std::string JoinPath(absl::string_view folder, absl::string_view name);

}  // namespace gantry

#endif  // GANTRY_BASE_FILE_H_
