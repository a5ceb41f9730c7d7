#ifndef GANTRY_TESTS_KERNELS_CUDA_BACKEND_TESTING_H_
#define GANTRY_TESTS_KERNELS_CUDA_BACKEND_TESTING_H_

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/reference/quantize.h"
#include "tests/kernels/cuda/device_testing.h"
#include "tests/kernels/kernel_testing.h"

namespace gantry {

// Tests of the backend as a whole.
class CudaBackendTest : public DeviceTest {
 protected:
  static std::unique_ptr<Backend> Open(DType dtype, bool deterministic = false) {
    auto backend = MakeCudaBackend(0);
    EXPECT_TRUE(backend.ok()) << backend.status();
    EXPECT_TRUE((*backend)->Configure({dtype, deterministic}).ok());
    return *std::move(backend);
  }
};

inline std::vector<float> RandomOf(DType dtype, size_t count, float scale = 1) {
  std::vector<float> values = RandomFloats(count, scale);
  for (float& value : values) value = RoundTo(dtype, value);
  return values;
}

// Activations in the backend's type, from floats that it has exactly.
inline std::unique_ptr<Buffer> Activations(Backend& backend, const std::vector<float>& values) {
  const DType dtype = backend.activation_dtype();
  if (dtype == DType::kF32) return Filled(backend, values);
  std::vector<uint16_t> bits(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    bits[i] = dtype == DType::kF16 ? FloatToF16(values[i]) : FloatToBF16(values[i]);
  }
  std::unique_ptr<Buffer> buffer = *backend.Allocate(bits.size() * 2);
  EXPECT_TRUE(
      backend
          .Upload(absl::MakeConstSpan(reinterpret_cast<const char*>(bits.data()), bits.size() * 2),
                  buffer.get(), 0)
          .ok());
  EXPECT_TRUE(backend.Synchronize().ok());
  return buffer;
}

inline std::vector<float> ReadActivations(Backend& backend, const Buffer& buffer) {
  const DType dtype = backend.activation_dtype();
  if (dtype == DType::kF32) return Read(backend, buffer);
  std::vector<uint16_t> bits(buffer.bytes() / 2);
  EXPECT_TRUE(
      backend
          .Download(buffer, 0, absl::MakeSpan(reinterpret_cast<char*>(bits.data()), buffer.bytes()))
          .ok());
  std::vector<float> values(bits.size());
  ToFloat(dtype, bits.data(), bits.size(), values.data());
  return values;
}

}  // namespace gantry

#endif  // GANTRY_TESTS_KERNELS_CUDA_BACKEND_TESTING_H_
