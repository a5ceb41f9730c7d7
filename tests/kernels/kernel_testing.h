#ifndef GANTRY_TESTS_KERNELS_KERNEL_TESTING_H_
#define GANTRY_TESTS_KERNELS_KERNEL_TESTING_H_

#include <cmath>
#include <cstring>
#include <iostream>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/backend.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/reference/reference_backend.h"
#include "tests/status_matchers.h"

namespace gantry {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Fresh inputs each run. The seed is printed, and GANTRY_SEED sets it.
inline std::mt19937& TestRandom() {
  static std::mt19937 random = [] {
    const char* given = std::getenv("GANTRY_SEED");
    const uint32_t seed = given != nullptr ? std::stoul(given) : std::random_device()();
    std::cout << "GANTRY_SEED=" << seed << std::endl;
    return std::mt19937(seed);
  }();
  return random;
}

inline std::vector<float> RandomFloats(size_t count, float scale = 1) {
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(TestRandom());
  return values;
}

// The CPU backends that this machine can run, by instruction set.
inline std::vector<std::string> AvailableIsas() {
  std::vector<std::string> isas;
  for (const char* isa : {"avx512", "avx2", "portable"}) {
    CpuOptions options;
    options.threads = 1;
    options.isa = isa;
    if (MakeCpuBackend(options).ok()) isas.push_back(isa);
  }
  return isas;
}

inline std::unique_ptr<Backend> CpuOrDie(const std::string& isa, int threads) {
  CpuOptions options;
  options.threads = threads;
  options.isa = isa;
  auto backend = MakeCpuBackend(options);
  EXPECT_TRUE(backend.ok()) << backend.status();
  return *std::move(backend);
}

inline std::unique_ptr<Buffer> Filled(Backend& backend, const std::vector<float>& values) {
  std::unique_ptr<Buffer> buffer = *backend.Allocate(values.size() * sizeof(float));
  const char* bytes = reinterpret_cast<const char*>(values.data());
  EXPECT_TRUE(
      backend.Upload(absl::MakeConstSpan(bytes, values.size() * sizeof(float)), buffer.get(), 0)
          .ok());
  return buffer;
}
inline std::unique_ptr<Buffer> Poisoned(Backend& backend, size_t count) {
  return Filled(backend, std::vector<float>(count, kNan));
}
inline std::vector<float> Read(Backend& backend, const Buffer& buffer) {
  std::vector<float> values(buffer.bytes() / sizeof(float));
  char* bytes = reinterpret_cast<char*>(values.data());
  EXPECT_TRUE(backend.Download(buffer, 0, absl::MakeSpan(bytes, buffer.bytes())).ok());
  return values;
}

// A source of one part.
inline MatrixSource SourceOf(const MatrixFormat& format, int64_t rows, int64_t cols,
                             std::function<absl::Status(int64_t, int64_t, void*)> read) {
  MatrixSource source;
  source.format = format;
  source.rows = rows;
  source.cols = cols;
  source.parts.resize(1);
  source.parts[0].rows = rows;
  source.parts[0].read = std::move(read);
  return source;
}

// A source of `values` in parts of so many rows.
inline MatrixSource SourceInParts(const MatrixFormat& format, const std::vector<int64_t>& parts,
                                  int64_t cols, const std::vector<float>& values) {
  MatrixSource source;
  source.format = format;
  source.cols = cols;
  for (const int64_t rows : parts) {
    const float* from = values.data() + source.rows * cols;
    MatrixPart part;
    part.rows = rows;
    part.read = [=](int64_t first, int64_t count, void* out) {
      std::memcpy(out, from + first * cols, count * cols * sizeof(float));
      return absl::OkStatus();
    };
    source.parts.push_back(std::move(part));
    source.rows += rows;
  }
  return source;
}

inline std::unique_ptr<Matrix> PackOrDie(Backend& backend, const MatrixSource& source) {
  auto matrix = backend.Pack(source);
  EXPECT_TRUE(matrix.ok()) << matrix.status();
  EXPECT_EQ((*matrix)->bytes(), backend.PackedBytes(source.format, source.rows, source.cols));
  return *std::move(matrix);
}
inline std::unique_ptr<Matrix> PackOrDie(Backend& backend, int64_t rows, int64_t cols,
                                         const std::vector<float>& values) {
  return PackOrDie(backend, SourceInParts({}, {rows}, cols, values));
}

// A step of one slice that needs no blocks.
inline StepLayout OneSlice(int32_t rows) {
  StepLayout layout;
  layout.slices.push_back({.rows = rows});
  layout.ropes.resize(1);
  layout.rows = rows;
  return layout;
}

// Embed in a step of its own.
inline absl::Status EmbedTokens(Backend& backend, const std::vector<int32_t>& ids,
                                const Matrix& table, Buffer* out) {
  StepLayout layout = OneSlice(static_cast<int32_t>(ids.size()));
  layout.token_ids = ids;
  absl::Status status = backend.BeginStep(layout);
  if (status.ok()) status = backend.Embed(table, out);
  const absl::Status ended = backend.EndStep();
  return status.ok() ? ended : status;
}

inline double RelativeError(const std::vector<float>& actual, const std::vector<float>& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double difference = 0;
  double norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(double{actual[i]} - expected[i], 2);
    norm += std::pow(double{expected[i]}, 2);
  }
  return norm == 0 ? std::sqrt(difference) : std::sqrt(difference / norm);
}

// Equal bit for bit, with no NaN left of the poison.
inline void ExpectSame(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_FALSE(std::isnan(actual[i])) << "at " << i;
    ASSERT_EQ(std::memcmp(&actual[i], &expected[i], sizeof(float)), 0)
        << "at " << i << ": " << actual[i] << " and " << expected[i];
  }
}

}  // namespace gantry

#endif  // GANTRY_TESTS_KERNELS_KERNEL_TESTING_H_
