#include <cmath>
#include <limits>
#include <vector>

#include "base/dummy_weights.h"
#include "kernels/cuda/convert.h"
#include "kernels/cuda/dummy_weights.h"
#include "kernels/cuda/gather_rows.h"
#include "kernels/cuda/non_finite.h"
#include "kernels/cuda/norm.h"
#include "kernels/cuda/rotation.h"
#include "tests/kernels/cuda/device_testing.h"

namespace gantry {
namespace {

class RowKernelsTest : public DeviceTest {};

TEST_F(RowKernelsTest, RmsNorm) {
  for (CudaType type : kCudaTypes) {
    for (int features : {8, 72, 100, 2048, 4096, 5120, 20000}) {
      SCOPED_TRACE(testing::Message() << TypeName(type) << " x " << features);
      const int rows = RandomInt(1, 70);
      const float eps = 1e-5f;
      const std::vector<float> x = Rounded(type, RandomFloats(rows * features, 3));
      const std::vector<float> weight = RandomFloats(features);
      const DeviceMemory d_x = OnDevice(type, x), d_weight = OnDevice(weight), d_out(d_x.bytes());
      ExpectCuda(LaunchRmsNorm(type, d_x.data(), d_weight.as<float>(), eps, rows, features,
                               d_out.data(), nullptr));
      const std::vector<float> out = FromDevice(type, d_out);
      std::vector<float> expected;
      for (int r = 0; r < rows; ++r) {
        double sum = 0;
        for (int i = 0; i < features; ++i) sum += std::pow(double{x[r * features + i]}, 2);
        const double scale = 1 / std::sqrt(sum / features + eps);
        for (int i = 0; i < features; ++i) {
          expected.push_back(
              RoundTo(type, double{RoundTo(type, x[r * features + i] * scale)} * weight[i]));
        }
      }
      // Most are equal to the bit; a rounding may go the other way.
      EXPECT_LE(RelativeError(out, expected), type == CudaType::kFloat ? 5e-7 : Epsilon(type) / 8);

      // One row by itself, in place.
      const int row = RandomInt(0, rows - 1);
      const DeviceMemory alone =
          OnDevice(type, {x.begin() + row * features, x.begin() + (row + 1) * features});
      ExpectCuda(LaunchRmsNorm(type, alone.data(), d_weight.as<float>(), eps, 1, features,
                               alone.data(), nullptr));
      ExpectSame(FromDevice(type, alone),
                 {out.begin() + row * features, out.begin() + (row + 1) * features});
    }
  }
}

TEST_F(RowKernelsTest, Rotation) {
  const std::vector<int32_t> positions = {0, 1, 100, 131071, RandomInt(0, 1 << 20)};
  const std::vector<int32_t> row_slices = {0, 0, 1, 1, 1};
  const std::vector<int32_t> ropes = {1, 0};
  const int half = 20;
  std::vector<float> inv_freq;
  for (int i = 0; i < 2 * half; ++i) {
    inv_freq.push_back(std::pow(10000.0f, -static_cast<float>(i % half) / half));
  }
  const std::vector<float> scales = {1.0f, 1.19f};
  const DeviceMemory d_positions = OnDevice(positions), d_row_slices = OnDevice(row_slices),
                     d_ropes = OnDevice(ropes), d_inv_freq = OnDevice(inv_freq),
                     d_scales = OnDevice(scales),
                     d_rotation(positions.size() * 2 * half * sizeof(float));
  DeviceStep step;
  step.rows = positions.size();
  step.half_rotary = half;
  step.positions = d_positions.as<int32_t>();
  step.row_slices = d_row_slices.as<int32_t>();
  step.slice_ropes = d_ropes.as<int32_t>();
  step.inv_freq = d_inv_freq.as<float>();
  step.rope_scales = d_scales.as<float>();
  step.rotation = d_rotation.as<float>();
  ExpectCuda(LaunchRotation(step, nullptr));
  const std::vector<float> rotation = FromDevice<float>(d_rotation);
  for (size_t r = 0; r < positions.size(); ++r) {
    const int rope = ropes[row_slices[r]];
    for (int i = 0; i < half; ++i) {
      const float angle = static_cast<float>(positions[r]) * inv_freq[rope * half + i];
      EXPECT_NEAR(rotation[r * 2 * half + i], std::cos(double{angle}) * scales[rope], 3e-7);
      EXPECT_NEAR(rotation[r * 2 * half + half + i], std::sin(double{angle}) * scales[rope], 3e-7);
    }
  }
}

TEST_F(RowKernelsTest, GatherRows) {
  for (CudaType from : kCudaTypes) {
    for (CudaType to : kCudaTypes) {
      for (int features : {1, 36, 4096}) {
        const int rows = 50;
        const std::vector<float> table = Rounded(from, RandomFloats(rows * features));
        std::vector<int32_t> ids(RandomInt(1, 90));
        for (int32_t& id : ids) id = RandomInt(0, rows - 1);
        const DeviceMemory d_table = OnDevice(from, table), d_ids = OnDevice(ids),
                           d_out(ids.size() * features * CudaTypeSize(to));
        ExpectCuda(LaunchGatherRows(from, d_table.data(), d_ids.as<int32_t>(), ids.size(), features,
                                    to, d_out.data(), nullptr));
        std::vector<float> expected;
        for (int32_t id : ids) {
          for (int i = 0; i < features; ++i) {
            expected.push_back(RoundTo(to, table[id * features + i]));
          }
        }
        ExpectSame(FromDevice(to, d_out), expected);
      }
    }
  }
}

TEST_F(RowKernelsTest, Convert) {
  for (CudaType from : kCudaTypes) {
    for (CudaType to : kCudaTypes) {
      const int count = RandomInt(1, 5000);
      const std::vector<float> x = Rounded(from, RandomFloats(count, 10));
      const DeviceMemory d_x = OnDevice(from, x), d_out(count * CudaTypeSize(to));
      ExpectCuda(LaunchConvert(from, d_x.data(), count, to, d_out.data(), nullptr));
      ExpectSame(FromDevice(to, d_out), Rounded(to, x));
    }
  }
}

TEST_F(RowKernelsTest, NonFinite) {
  for (CudaType type : kCudaTypes) {
    for (int features : {3, 1000, 4096}) {
      const int rows = RandomInt(4, 40);
      std::vector<float> x = RandomFloats(rows * features);
      const int nan_row = RandomInt(1, rows - 2);
      x[nan_row * features + RandomInt(0, features - 1)] = kNan;
      x[(rows - 1) * features + features - 1] = -std::numeric_limits<float>::infinity();
      const DeviceMemory d_x = OnDevice(type, x);
      std::vector<int32_t> expected(rows);
      expected[0] = 1;  // noted before
      const DeviceMemory d_noted = OnDevice(expected);
      expected[nan_row] = expected[rows - 1] = 1;
      DeviceStep step;
      step.rows = rows;
      step.non_finite = d_noted.as<int32_t>();
      ExpectCuda(LaunchNoteNonFinite(step, type, d_x.data(), features, nullptr));
      EXPECT_EQ(FromDevice<int32_t>(d_noted), expected);
    }
  }
}

TEST_F(RowKernelsTest, DummyWeights) {
  for (CudaType type : kCudaTypes) {
    for (const char* name : {"model.layers.3.mlp.up_proj.weight", "model.norm.weight"}) {
      const DummyWeights weights = DummyWeightsOf(RandomInt(0, 1 << 30), name);
      for (int64_t first : {int64_t{0}, int64_t{7}, int64_t{1} << 33}) {
        const int count = RandomInt(1, 3000);
        const DeviceMemory d_out(count * CudaTypeSize(type));
        ExpectCuda(LaunchDummyWeights(weights.stream, weights.mean, first, count, type,
                                      d_out.data(), nullptr));
        std::vector<float> expected(count);
        FillDummyWeights(weights, first, count, expected.data());
        ExpectSame(FromDevice(type, d_out), Rounded(type, expected));
      }
    }
  }
}

}  // namespace
}  // namespace gantry
