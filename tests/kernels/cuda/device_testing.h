#ifndef GANTRY_TESTS_KERNELS_CUDA_DEVICE_TESTING_H_
#define GANTRY_TESTS_KERNELS_CUDA_DEVICE_TESTING_H_

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "gtest/gtest.h"
#include "kernels/cuda/step.h"
#include "tests/kernels/kernel_testing.h"

namespace gantry {

// Tests of launchers, without a backend. They are skipped where there is no GPU, unless
// GANTRY_REQUIRE_GPU is 1.
class DeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && count > 0) return;
    const char* required = std::getenv("GANTRY_REQUIRE_GPU");
    if (required != nullptr && std::string(required) == "1") {
      FAIL() << "expected a GPU, found none: " << cudaGetErrorString(error);
    }
    GTEST_SKIP() << "no GPU";
  }
};

inline void ExpectCuda(cudaError_t error) {
  EXPECT_EQ(error, cudaSuccess) << cudaGetErrorString(error);
}

inline constexpr CudaType kCudaTypes[] = {CudaType::kFloat, CudaType::kHalf, CudaType::kBFloat16};

inline std::string TypeName(CudaType type) {
  return type == CudaType::kFloat ? "float" : type == CudaType::kHalf ? "half" : "bfloat16";
}

// Unit roundoff.
inline double Epsilon(CudaType type) {
  return type == CudaType::kFloat ? 0x1p-24 : type == CudaType::kHalf ? 0x1p-11 : 0x1p-8;
}

inline float RoundTo(CudaType type, double x) {
  const float value = static_cast<float>(x);
  if (type == CudaType::kFloat) return value;
  if (type == CudaType::kHalf) return F16ToFloat(FloatToF16(value));
  return BF16ToFloat(FloatToBF16(value));
}
inline std::vector<float> Rounded(CudaType type, std::vector<float> values) {
  for (float& value : values) value = RoundTo(type, value);
  return values;
}

// Memory of the GPU that begins as bytes of 0xff: NaN in every type.
class DeviceMemory {
 public:
  explicit DeviceMemory(size_t bytes) : bytes_(bytes) {
    ExpectCuda(cudaMalloc(&data_, bytes > 0 ? bytes : 1));
    ExpectCuda(cudaMemset(data_, 0xff, bytes));
  }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory(DeviceMemory&& other) : data_(other.data_), bytes_(other.bytes_) {
    other.data_ = nullptr;
  }
  ~DeviceMemory() { cudaFree(data_); }

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

template <typename T>
DeviceMemory OnDevice(const std::vector<T>& values) {
  DeviceMemory memory(values.size() * sizeof(T));
  ExpectCuda(cudaMemcpy(memory.data(), values.data(), memory.bytes(), cudaMemcpyHostToDevice));
  return memory;
}
template <typename T>
std::vector<T> FromDevice(const DeviceMemory& memory) {
  std::vector<T> values(memory.bytes() / sizeof(T));
  ExpectCuda(cudaMemcpy(values.data(), memory.data(), memory.bytes(), cudaMemcpyDeviceToHost));
  return values;
}

// Floats as elements of a type, and back.
inline std::vector<char> Encoded(CudaType type, const std::vector<float>& values) {
  std::vector<char> bytes(values.size() * CudaTypeSize(type));
  for (size_t i = 0; i < values.size(); ++i) {
    if (type == CudaType::kFloat) {
      std::memcpy(bytes.data() + 4 * i, &values[i], 4);
    } else {
      const uint16_t bits =
          type == CudaType::kHalf ? FloatToF16(values[i]) : FloatToBF16(values[i]);
      std::memcpy(bytes.data() + 2 * i, &bits, 2);
    }
  }
  return bytes;
}
inline std::vector<float> Decoded(CudaType type, const std::vector<char>& bytes) {
  std::vector<float> values(bytes.size() / CudaTypeSize(type));
  for (size_t i = 0; i < values.size(); ++i) {
    if (type == CudaType::kFloat) {
      std::memcpy(&values[i], bytes.data() + 4 * i, 4);
    } else {
      uint16_t bits;
      std::memcpy(&bits, bytes.data() + 2 * i, 2);
      values[i] = type == CudaType::kHalf ? F16ToFloat(bits) : BF16ToFloat(bits);
    }
  }
  return values;
}
inline DeviceMemory OnDevice(CudaType type, const std::vector<float>& values) {
  return OnDevice(Encoded(type, values));
}
inline std::vector<float> FromDevice(CudaType type, const DeviceMemory& memory) {
  return Decoded(type, FromDevice<char>(memory));
}

inline int RandomInt(int least, int most) {
  return std::uniform_int_distribution<int>(least, most)(TestRandom());
}

}  // namespace gantry

#endif  // GANTRY_TESTS_KERNELS_CUDA_DEVICE_TESTING_H_
