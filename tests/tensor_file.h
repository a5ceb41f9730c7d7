#ifndef GANTRY_TESTS_TENSOR_FILE_H_
#define GANTRY_TESTS_TENSOR_FILE_H_

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "gtest/gtest.h"
#include "model/safetensors.h"
#include "tests/repository.h"

namespace gantry {

// A safetensors file of reference values. A tensor that it lacks fails the test.
class TensorFile {
 public:
  // `path` within tests/testdata.
  explicit TensorFile(const std::string& path)
      : file_(File::Open(RepositoryPath("tests/testdata/" + path)).value()),
        header_(ReadSafetensorsHeader(file_).value()) {}

  std::vector<int64_t> Shape(const std::string& name) const {
    const SafetensorsEntry& entry = Entry(name);
    return {entry.shape.begin(), entry.shape.end()};
  }
  // Elements of F32, F16 or BF16, widened.
  std::vector<float> Floats(const std::string& name) const {
    const SafetensorsEntry& entry = Entry(name);
    const std::vector<uint8_t> bytes = Bytes(name);
    std::vector<float> values(bytes.size() / DTypeSize(*entry.dtype));
    ToFloat(*entry.dtype, bytes.data(), values.size(), values.data());
    return values;
  }
  std::vector<uint8_t> Bytes(const std::string& name) const {
    const SafetensorsEntry& entry = Entry(name);
    std::vector<uint8_t> bytes(entry.end - entry.begin);
    const absl::Status read =
        file_.ReadAt(header_.data_begin + entry.begin, bytes.size(), bytes.data());
    EXPECT_TRUE(read.ok()) << read;
    return bytes;
  }

 private:
  const SafetensorsEntry& Entry(const std::string& name) const {
    for (const SafetensorsEntry& entry : header_.entries) {
      if (entry.name == name) return entry;
    }
    ADD_FAILURE() << file_.path() << " has no " << name;
    static const SafetensorsEntry none = {"", "F32", DType::kF32, {0}};
    return none;
  }

  File file_;
  SafetensorsHeader header_;
};

}  // namespace gantry

#endif  // GANTRY_TESTS_TENSOR_FILE_H_
