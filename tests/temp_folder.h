#ifndef GANTRY_TESTS_TEMP_FOLDER_H_
#define GANTRY_TESTS_TEMP_FOLDER_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace gantry {

// A folder of its own for a test, removed at the end.
class TempFolder {
 public:
  TempFolder() {
    path_ = ::testing::TempDir() + "gantry_XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

  // Writes a file, making the folders above it, and returns its path.
  std::string Write(const std::string& name, const std::string& contents) const {
    const std::string path = Path(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << contents;
    return path;
  }

 private:
  std::string path_;
};

}  // namespace gantry

#endif  // GANTRY_TESTS_TEMP_FOLDER_H_
