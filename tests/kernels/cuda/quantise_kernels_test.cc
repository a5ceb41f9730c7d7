#include <cmath>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/packed.h"
#include "kernels/cuda/dequantise.h"
#include "kernels/cuda/int8.h"
#include "kernels/cuda/quantise.h"
#include "tests/kernels/cuda/device_testing.h"
#include "tests/tensor_file.h"

namespace gantry {
namespace {

class QuantiseKernelsTest : public DeviceTest {};

Scheme SchemeOf(FourBit kind) { return kind == FourBit::kNf4 ? Scheme::kNf4 : Scheme::kFp4; }

// The code nearest to x, of equally near ones that which bitsandbytes' comparisons end with.
int NearestCode(FourBit kind, float x) {
  const absl::Span<const float> book = CodeBook(SchemeOf(kind));
  if (kind == FourBit::kNf4) {
    int code = 0;
    while (code < 15 && x > (book[code] + book[code + 1]) / 2) ++code;
    return code;
  }
  constexpr int kByMagnitude[8] = {0, 1, 6, 7, 4, 5, 2, 3};
  constexpr float kMidpoints[7] = {0.00260417f, 0.0859375f, 0.20833333f, 0.29166667f,
                                   0.4166667f,  0.583333f,  0.8333333f};
  int rank = 0;
  while (rank < 7 && std::fabs(x) > kMidpoints[rank]) ++rank;
  return kByMagnitude[rank] + (x < 0 ? 8 : 0);
}

TEST_F(QuantiseKernelsTest, FourBit) {
  for (FourBit kind : {FourBit::kNf4, FourBit::kFp4}) {
    for (CudaType type : kCudaTypes) {
      for (int block_size : {32, 64, 256, 4096}) {
        SCOPED_TRACE(testing::Message() << TypeName(type) << " by " << block_size);
        const int count = RandomInt(1, 20000);
        std::vector<float> weights = Rounded(type, RandomFloats(count, 0.02f));
        // A block of zeros.
        if (count > 3 * block_size) {
          std::fill_n(weights.begin() + block_size, block_size, 0.0f);
        }
        const int blocks = (count + block_size - 1) / block_size;
        const DeviceMemory d_weights = OnDevice(type, weights), d_codes((count + 1) / 2),
                           d_absmax(blocks * sizeof(float));
        ExpectCuda(LaunchQuantiseFourBit(kind, type, d_weights.data(), count, block_size,
                                         d_codes.as<uint8_t>(), d_absmax.as<float>(), nullptr));
        const std::vector<uint8_t> codes = FromDevice<uint8_t>(d_codes);
        const std::vector<float> absmax = FromDevice<float>(d_absmax);
        for (int block = 0; block < blocks; ++block) {
          const int end = std::min(count, (block + 1) * block_size);
          float max = 0;
          for (int i = block * block_size; i < end; ++i) {
            max = std::max(max, std::fabs(weights[i]));
          }
          ASSERT_EQ(absmax[block], max) << block;
          for (int i = block * block_size; i < end; ++i) {
            const int code = i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 15;
            // The reciprocal may be an ulp off.
            const float inverse = max > 0 ? 1.0f / max : 0;
            const int nearest[3] = {NearestCode(kind, weights[i] * inverse),
                                    NearestCode(kind, weights[i] * std::nextafter(inverse, 0.0f)),
                                    NearestCode(kind, weights[i] * std::nextafter(inverse, 1e30f))};
            ASSERT_TRUE(code == nearest[0] || code == nearest[1] || code == nearest[2])
                << i << ": " << weights[i] << " became " << code << ", expected " << nearest[0];
          }
        }
        if (count % 2 == 1) {
          EXPECT_EQ(codes.back() & 15, 0);
        }
      }
    }
  }
}

// Bit for bit the codes and absmax of bitsandbytes on a GPU, but for blocks of zeros, whose codes
// mean nothing.
TEST_F(QuantiseKernelsTest, FourBitIsBitsandbytes) {
  const TensorFile vectors("quantizer/vectors.safetensors");
  const std::pair<const char*, CudaType> types[] = {{"float32", CudaType::kFloat},
                                                    {"float16", CudaType::kHalf},
                                                    {"bfloat16", CudaType::kBFloat16}};
  for (const auto& [name, type] : types) {
    const std::vector<float> weights = vectors.Floats(std::string(name) + ".weight");
    for (FourBit kind : {FourBit::kNf4, FourBit::kFp4}) {
      const std::string prefix = absl::StrCat(name, kind == FourBit::kNf4 ? ".nf4" : ".fp4");
      SCOPED_TRACE(prefix);
      const std::vector<uint8_t> packed = vectors.Bytes(prefix + ".packed");
      const std::vector<float> expected_absmax = vectors.Floats(prefix + ".absmax");
      const int count = static_cast<int>(weights.size());
      const DeviceMemory d_weights = OnDevice(type, weights), d_codes(packed.size()),
                         d_absmax(expected_absmax.size() * sizeof(float));
      ExpectCuda(LaunchQuantiseFourBit(kind, type, d_weights.data(), count, 64,
                                       d_codes.as<uint8_t>(), d_absmax.as<float>(), nullptr));
      EXPECT_EQ(FromDevice<float>(d_absmax), expected_absmax);
      const std::vector<uint8_t> codes = FromDevice<uint8_t>(d_codes);
      ASSERT_EQ(codes.size(), packed.size());
      for (size_t i = 0; i < codes.size(); ++i) {
        if (expected_absmax[2 * i / 64] != 0) {
          ASSERT_EQ(codes[i], packed[i]) << i;
        }
      }
    }
  }
}

// SCB bit for bit; a code may be the neighbour where the exact quotient is within 1e-4 of a half.
TEST_F(QuantiseKernelsTest, Int8IsBitsandbytes) {
  const TensorFile vectors("quantizer/vectors.safetensors");
  for (const std::string name : {"int8.1x256", "int8.7x256", "int8.33x512"}) {
    SCOPED_TRACE(name);
    const std::vector<float> weights = vectors.Floats(name + ".weight");
    const std::vector<uint8_t> expected = vectors.Bytes(name + ".q");
    const std::vector<float> expected_scb = vectors.Floats(name + ".scb");
    const int rows = static_cast<int>(expected_scb.size());
    const int cols = static_cast<int>(weights.size()) / rows;
    const DeviceMemory d_weights = OnDevice(CudaType::kHalf, weights), d_codes(rows * cols),
                       d_scb(rows * sizeof(float));
    ExpectCuda(LaunchQuantiseInt8(CudaType::kHalf, d_weights.data(), rows, cols,
                                  d_codes.as<int8_t>(), d_scb.as<float>(), nullptr));
    EXPECT_EQ(FromDevice<float>(d_scb), expected_scb);
    const std::vector<int8_t> codes = FromDevice<int8_t>(d_codes);
    for (int i = 0; i < rows * cols; ++i) {
      const int code = static_cast<int8_t>(expected[i]);
      if (codes[i] == code) continue;
      const double exact = double{weights[i]} * 127 / expected_scb[i / cols];
      EXPECT_EQ(std::abs(codes[i] - code), 1) << i;
      EXPECT_LT(std::fabs(std::fabs(exact - std::floor(exact)) - 0.5), 1e-4) << i;
    }
  }
}

TEST_F(QuantiseKernelsTest, Int8) {
  for (CudaType type : kCudaTypes) {
    const int rows = RandomInt(3, 40);
    const int cols = RandomInt(1, 3000);
    std::vector<float> weights = Rounded(type, RandomFloats(rows * cols, 0.02f));
    std::fill_n(weights.begin() + cols, cols, 0.0f);
    const DeviceMemory d_weights = OnDevice(type, weights), d_codes(rows * cols),
                       d_scb(rows * sizeof(float));
    ExpectCuda(LaunchQuantiseInt8(type, d_weights.data(), rows, cols, d_codes.as<int8_t>(),
                                  d_scb.as<float>(), nullptr));
    const std::vector<int8_t> codes = FromDevice<int8_t>(d_codes);
    const std::vector<float> scb = FromDevice<float>(d_scb);
    for (int r = 0; r < rows; ++r) {
      float max = 0;
      for (int i = 0; i < cols; ++i) {
        max = std::max(max, std::fabs(RoundTo(CudaType::kHalf, weights[r * cols + i])));
      }
      ASSERT_EQ(scb[r], max);
      for (int i = 0; i < cols; ++i) {
        const float w = RoundTo(CudaType::kHalf, weights[r * cols + i]);
        const float expected = max > 0 ? std::nearbyint(w * 127.0f / max) : 0;
        ASSERT_EQ(codes[r * cols + i], expected) << r << ", " << i;
      }
    }
  }
}

// Rows [first, first + count) of `values` [rows, cols].
std::vector<float> RowsOf(const std::vector<float>& values, int cols, int first, int count) {
  return {values.begin() + first * cols, values.begin() + (first + count) * cols};
}

TEST_F(QuantiseKernelsTest, DequantiseFourBit) {
  for (FourBit kind : {FourBit::kNf4, FourBit::kFp4}) {
    for (CudaType type : kCudaTypes) {
      for (bool nested : {false, true}) {
        for (int cols : {64, 37, 1000}) {
          const int rows = RandomInt(5, 200);
          const int block_size = 32 << RandomInt(0, 3);
          PackedTensor packed;
          packed.scheme = {
              .scheme = SchemeOf(kind), .double_quant = nested, .block_size = block_size};
          packed.rows = rows;
          packed.cols = cols;
          for (int i = 0; i < (rows * cols + 1) / 2; ++i) {
            packed.codes.push_back(RandomInt(0, 255));
          }
          if (nested) {
            for (int i = 0; i < packed.blocks(); ++i) {
              packed.absmax_codes.push_back(RandomInt(0, 255));
            }
            packed.nested_absmax = RandomFloats((packed.blocks() + 255) / 256, 0.05f);
            packed.nested_map = {DynamicMap().begin(), DynamicMap().end()};
            packed.nested_offset = 0.07f;
          } else {
            packed.absmax = RandomFloats(packed.blocks());
            for (float& value : packed.absmax) value = std::fabs(value);
          }
          const std::vector<float> absmax = packed.Absmax();
          std::vector<float> expected;
          for (int i = 0; i < rows * cols; ++i) {
            const int code = i % 2 == 0 ? packed.codes[i / 2] >> 4 : packed.codes[i / 2] & 15;
            expected.push_back(
                RoundTo(type, CodeBook(SchemeOf(kind))[code] * absmax[i / block_size]));
          }
          const DeviceMemory d_codes = OnDevice(packed.codes), d_absmax = OnDevice(packed.absmax),
                             d_absmax_codes = OnDevice(packed.absmax_codes),
                             d_nested = OnDevice(packed.nested_absmax),
                             d_map = OnDevice(packed.nested_map);
          FourBitTensor tensor;
          tensor.kind = kind;
          tensor.cols = cols;
          tensor.block_size = block_size;
          tensor.codes = d_codes.as<uint8_t>();
          if (nested) {
            tensor.absmax_codes = d_absmax_codes.as<uint8_t>();
            tensor.nested_absmax = d_nested.as<float>();
            tensor.nested_map = d_map.as<float>();
            tensor.nested_offset = packed.nested_offset;
          } else {
            tensor.absmax = d_absmax.as<float>();
          }
          const int first = RandomInt(0, rows - 1);
          const int count = RandomInt(1, rows - first);
          const DeviceMemory d_out(count * cols * CudaTypeSize(type));
          ExpectCuda(LaunchDequantiseFourBit(tensor, first, count, type, d_out.data(), nullptr));
          ExpectSame(FromDevice(type, d_out), RowsOf(expected, cols, first, count));
          if (HasFailure()) return;
        }
      }
    }
  }
}

// The activations of LLM.int8() of many tokens, on the device.
struct ManyTokens {
  ManyTokens(int tokens, int cols)
      : codes(tokens * cols),
        absmax(tokens * 4),
        values(tokens * cols * 2),
        lists(OnDevice(std::vector<int32_t>(Int8ListInts(1, cols)))),
        counts(tokens * 4),
        outliers(tokens * kInt8TokenOutliers * 4) {
    x.codes = codes.as<int8_t>();
    x.absmax = absmax.as<float>();
    x.values = values.as<half>();
    PlaceInt8Lists(lists.as<int32_t>(), 1, cols, &x);
    x.token_counts = counts.as<int32_t>();
    x.token_outliers = outliers.as<uint32_t>();
  }
  const DeviceMemory codes, absmax, values, lists, counts, outliers;
  CudaInt8Activations x;
};

template <typename T>
std::vector<T> Ints(const T* from, int count) {
  std::vector<T> to(count);
  ExpectCuda(cudaMemcpy(to.data(), from, count * sizeof(T), cudaMemcpyDeviceToHost));
  return to;
}

TEST_F(QuantiseKernelsTest, ListsOfOutliersAndHowTheyAreMultiplied) {
  struct Case {
    int own, shared;  // outliers of each token in columns of its own, and in those of all
    bool per_batch;
    CudaInt8Way way;
  };
  const int tokens = 90;
  const int cols = 1003;
  const ManyTokens many(tokens, cols);
  // One after the other in the same memory: each leaves it as it must be.
  for (const Case& c :
       {Case{5, 2, false, CudaInt8Way::kEachToken}, Case{0, 0, false, CudaInt8Way::kNone},
        Case{0, 30, false, CudaInt8Way::kFew}, Case{140, 0, false, CudaInt8Way::kUnion},
        Case{5, 2, true, CudaInt8Way::kUnion}, Case{0, 30, true, CudaInt8Way::kFew}}) {
    std::vector<float> x = RandomFloats(tokens * cols);
    std::set<int32_t> all;
    std::vector<std::set<int32_t>> of_token(tokens);
    for (int token = 0; token < tokens; ++token) {
      for (int i = 0; i < c.own + c.shared; ++i) {
        const int column = (i < c.own ? token * 137 + i * 7 : i * 29) % cols;
        x[token * cols + column] = i % 2 == 0 ? 6 : -7.5f;
        of_token[token].insert(column);
      }
      all.insert(of_token[token].begin(), of_token[token].end());
    }
    const DeviceMemory from = OnDevice(x);
    ExpectCuda(Int8Quantise(CudaType::kFloat, from.data(), nullptr, 0, tokens, cols,
                            {6, c.per_batch}, CudaInt8Lists::kManyTokens, many.x, nullptr));
    EXPECT_EQ(Ints(many.x.way, 1)[0], c.way);
    ASSERT_EQ(Ints(many.x.count, 1)[0], all.size());
    if (c.way == CudaInt8Way::kFew) {
      EXPECT_EQ(Ints(many.x.columns, all.size()), std::vector<int32_t>(all.begin(), all.end()));
    }
    const std::vector<uint32_t> mask = Ints(many.x.mask, all.empty() ? 0 : (cols + 31) / 32);
    for (size_t i = 0; i < mask.size() * 32; ++i) {
      ASSERT_EQ(mask[i / 32] >> i % 32 & 1, all.count(static_cast<int32_t>(i))) << i;
    }
    EXPECT_EQ(Ints(many.x.any, 2), (std::vector<int32_t>{0, 0}));
    EXPECT_EQ(Ints(many.x.flags, (cols + 31) / 32), std::vector<uint32_t>((cols + 31) / 32));
    if (c.way != CudaInt8Way::kEachToken) continue;
    const std::vector<int32_t> counts = Ints(many.x.token_counts, tokens);
    const std::vector<uint32_t> outliers = Ints(many.x.token_outliers, kInt8TokenOutliers * tokens);
    for (int token = 0; token < tokens; ++token) {
      ASSERT_EQ(counts[token], of_token[token].size());
      int i = 0;
      for (const int32_t column : of_token[token]) {
        EXPECT_EQ(outliers[i++ * tokens + token],
                  uint32_t{FloatToF16(x[token * cols + column])} << 16 | column);
      }
    }
  }
}

}  // namespace
}  // namespace gantry
