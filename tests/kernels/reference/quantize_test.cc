#include "kernels/reference/quantize.h"

#include <cmath>

#include "base/json.h"
#include "tests/kernels/kernel_testing.h"
#include "tests/tensor_file.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const TensorFile& Vectors() {
  static const TensorFile& file = *new TensorFile("quantizer/vectors.safetensors");
  return file;
}

Json Meta() {
  return ReadJsonFile(RepositoryPath("tests/testdata/quantizer/vectors.json")).value()["meta"];
}

// What bitsandbytes made of one weight of 96 x 200: blocks straddle rows.
class FourBitVectors : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  const std::string dtype_name_ = std::get<0>(GetParam());
  const std::string name_ = dtype_name_ + "." + std::get<1>(GetParam());
  const DType dtype_ = *DTypeFromTorch(dtype_name_);
  const Scheme scheme_ = *SchemeFromName(std::get<1>(GetParam()));
  const std::vector<float> weight_ = Vectors().Floats(dtype_name_ + ".weight");
  const std::vector<float> absmax_ = Vectors().Floats(name_ + ".absmax");

  PackedTensor Quantised(bool double_quant) {
    TensorScheme scheme;
    scheme.scheme = scheme_;
    scheme.double_quant = double_quant;
    const std::vector<int64_t> shape = Vectors().Shape(dtype_name_ + ".weight");
    auto tensor = Quantise(scheme, shape[0], shape[1], weight_);
    EXPECT_TRUE(tensor.ok()) << tensor.status();
    GANTRY_EXPECT_OK(CheckPackedTensor(*tensor));
    return *std::move(tensor);
  }
  void ExpectCodes(const PackedTensor& tensor, const std::string& name) {
    const std::vector<uint8_t> expected = Vectors().Bytes(name);
    ASSERT_EQ(tensor.codes.size(), expected.size());
    for (size_t i = 0; i < 2 * expected.size(); ++i) {
      const int shift = i % 2 == 0 ? 4 : 0;
      const int code = tensor.codes[i / 2] >> shift & 15;
      const int expected_code = expected[i / 2] >> shift & 15;
      // A block of zeros has codes that mean nothing.
      if (absmax_[i / 64] == 0) continue;
      ASSERT_EQ(code, expected_code) << i;
    }
  }
  void ExpectDequantised(const PackedTensor& tensor, const std::string& name) {
    const std::vector<float> expected = Vectors().Floats(name);
    std::vector<float> actual(expected.size(), kNan);
    // In pieces that begin within blocks.
    for (int64_t row = 0; row < tensor.rows; row += 5) {
      const int64_t count = std::min<int64_t>(5, tensor.rows - row);
      Dequantise(tensor, row, count, dtype_, &actual[row * tensor.cols]);
    }
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(actual[i], expected[i]) << i;
  }
};

TEST_P(FourBitVectors, CodesAndAbsmaxAreBitsandbytes) {
  const PackedTensor tensor = Quantised(false);
  EXPECT_EQ(tensor.absmax, absmax_);
  ExpectCodes(tensor, name_ + ".packed");
  ExpectDequantised(tensor, name_ + ".dequantized");
}

TEST_P(FourBitVectors, NestedStatisticsAreBitsandbytes) {
  const PackedTensor tensor = Quantised(true);
  EXPECT_EQ(tensor.nested_offset, Meta()[name_ + ".dq.offset"].get<float>());
  EXPECT_EQ(tensor.absmax_codes, Vectors().Bytes(name_ + ".dq.absmax"));
  EXPECT_EQ(tensor.nested_absmax, Vectors().Floats(name_ + ".dq.nested_absmax"));
  EXPECT_EQ(tensor.nested_map, Vectors().Floats(name_ + ".dq.nested_code"));
  EXPECT_THAT(tensor.absmax, IsEmpty());
  ExpectCodes(tensor, name_ + ".dq.packed");
  ExpectDequantised(tensor, name_ + ".dq.dequantized");
}

INSTANTIATE_TEST_SUITE_P(DTypes, FourBitVectors,
                         ::testing::Combine(::testing::Values("float32", "float16", "bfloat16"),
                                            ::testing::Values("nf4", "fp4")),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" + std::get<1>(info.param);
                         });

// Equal, or one apart where the exact quotient is close to a half.
void ExpectInt8Code(int8_t actual, int8_t expected, float value, float absmax, size_t at) {
  if (actual == expected) return;
  const double exact = double{value} * 127 / absmax;
  const double from_half = std::fabs(std::fabs(exact - std::floor(exact)) - 0.5);
  EXPECT_TRUE(std::abs(actual - expected) == 1 && from_half < 1e-4)
      << "at " << at << ": " << int{actual} << " and " << int{expected} << " of " << exact;
}

class Int8Vectors : public ::testing::TestWithParam<std::string> {
 protected:
  const std::string name_ = "int8." + GetParam();
};

TEST_P(Int8Vectors, CodesAndScbAreBitsandbytes) {
  const std::vector<float> weight = Vectors().Floats(name_ + ".weight");
  const std::vector<int64_t> shape = Vectors().Shape(name_ + ".weight");
  TensorScheme scheme;
  scheme.scheme = Scheme::kInt8;
  GANTRY_ASSERT_OK_AND_ASSIGN(const PackedTensor tensor,
                              Quantise(scheme, shape[0], shape[1], weight));
  GANTRY_EXPECT_OK(CheckPackedTensor(tensor));
  EXPECT_EQ(tensor.absmax, Vectors().Floats(name_ + ".scb"));
  const std::vector<uint8_t> expected = Vectors().Bytes(name_ + ".q");
  ASSERT_EQ(tensor.codes.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ExpectInt8Code(static_cast<int8_t>(tensor.codes[i]), static_cast<int8_t>(expected[i]),
                   weight[i], tensor.absmax[i / shape[1]], i);
  }
}

TEST_P(Int8Vectors, ActivationsAreBitsandbytes) {
  const std::vector<float> x = Vectors().Floats(name_ + ".x");
  const std::vector<int64_t> shape = Vectors().Shape(name_ + ".x");
  const Int8Activations actual = QuantiseActivations(x, shape[0], shape[1], 6, true);
  EXPECT_EQ(actual.absmax, Vectors().Floats(name_ + ".xs"));
  const std::vector<uint8_t> expected = Vectors().Bytes(name_ + ".xq");
  ASSERT_EQ(actual.codes.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ExpectInt8Code(actual.codes[i], static_cast<int8_t>(expected[i]), x[i],
                   actual.absmax[i / shape[1]], i);
  }
  const auto columns = Meta()[name_ + ".outlier_columns"].get<std::vector<int32_t>>();
  for (const std::vector<int32_t>& outliers : actual.outliers) EXPECT_EQ(outliers, columns);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Int8Vectors, ::testing::Values("1x256", "7x256", "33x512"),
                         [](const auto& info) { return "rows_" + info.param; });

TEST(QuantizeTest, EveryBlockSizeAndALastShortBlock) {
  for (const Scheme scheme : {Scheme::kNf4, Scheme::kFp4}) {
    for (int64_t block_size = 32; block_size <= 4096; block_size *= 2) {
      const int64_t rows = 7;
      const int64_t cols = 149;  // an odd number of weights
      const std::vector<float> weight = RandomFloats(rows * cols);
      TensorScheme how;
      how.scheme = scheme;
      how.block_size = block_size;
      GANTRY_ASSERT_OK_AND_ASSIGN(const PackedTensor tensor, Quantise(how, rows, cols, weight));
      GANTRY_EXPECT_OK(CheckPackedTensor(tensor));
      EXPECT_EQ(tensor.codes.back() & 15, 0);
      std::vector<float> back(rows * cols, kNan);
      Dequantise(tensor, 0, rows, DType::kF32, back.data());
      for (size_t i = 0; i < weight.size(); ++i) {
        float absmax = 0;
        const size_t begin = i / block_size * block_size;
        for (size_t k = begin; k < std::min<size_t>(begin + block_size, weight.size()); ++k) {
          absmax = std::max(absmax, std::fabs(weight[k]));
        }
        EXPECT_EQ(tensor.absmax[i / block_size], absmax);
        // No code is nearer.
        for (const float code : CodeBook(scheme)) {
          ASSERT_LE(std::fabs(back[i] - weight[i]), std::fabs(code * absmax - weight[i]) + 1e-6f);
        }
      }
    }
  }
}

TEST(QuantizeTest, ZerosStayZeros) {
  for (const Scheme scheme : {Scheme::kNf4, Scheme::kFp4, Scheme::kInt8}) {
    TensorScheme how;
    how.scheme = scheme;
    GANTRY_ASSERT_OK_AND_ASSIGN(const PackedTensor tensor,
                                Quantise(how, 2, 64, std::vector<float>(128)));
    std::vector<float> back(128, kNan);
    Dequantise(tensor, 0, 2, DType::kF32, back.data());
    EXPECT_EQ(back, std::vector<float>(128));
  }
}

TEST(QuantizeTest, ErrorsNameTheElement) {
  std::vector<float> weight(6, 1);
  weight[4] = NAN;
  for (const Scheme scheme : {Scheme::kNf4, Scheme::kInt8}) {
    TensorScheme how;
    how.scheme = scheme;
    EXPECT_THAT(Quantise(how, 2, 3, weight),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("element [1, 1]")));
    EXPECT_THAT(Quantise(how, 2, 4, weight),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("6 weights")));
  }
  weight[4] = 65519;  // the largest to round to 65504
  TensorScheme int8;
  int8.scheme = Scheme::kInt8;
  GANTRY_EXPECT_OK(Quantise(int8, 2, 3, weight));
  weight[4] = -65520;
  EXPECT_THAT(Quantise(int8, 2, 3, weight),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("-65520")));
  TensorScheme odd;
  odd.scheme = Scheme::kNf4;
  odd.block_size = 100;
  EXPECT_THAT(Quantise(odd, 2, 3, std::vector<float>(6)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("found 100")));
  EXPECT_THAT(Quantise({}, 2, 3, std::vector<float>(6)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("found fp32")));
}

TEST(QuantizeTest, OutliersAreOfTheirTokenOrOfTheBatch) {
  const std::vector<float> x = {1, -6, 0.5f, 2, 2, 4};  // two rows; -6 is the threshold itself
  const Int8Activations alone = QuantiseActivations(x, 2, 3, 6, false);
  EXPECT_THAT(alone.outliers[0], ElementsAre(1));
  EXPECT_THAT(alone.outliers[1], IsEmpty());
  EXPECT_THAT(alone.absmax, ElementsAre(1, 4));
  EXPECT_THAT(alone.codes, ElementsAre(127, 0, 64, 64, 64, 127));
  const Int8Activations batch = QuantiseActivations(x, 2, 3, 6, true);
  EXPECT_THAT(batch.outliers[1], ElementsAre(1));
  EXPECT_THAT(batch.absmax, ElementsAre(1, 4));
  EXPECT_THAT(batch.codes, ElementsAre(127, 0, 64, 64, 0, 127));
  const Int8Activations none = QuantiseActivations(x, 2, 3, 0, false);
  EXPECT_THAT(none.outliers[0], IsEmpty());
  EXPECT_THAT(none.absmax, ElementsAre(6, 4));
  EXPECT_THAT(none.codes, ElementsAre(21, -127, 11, 64, 64, 127));
}

TEST(QuantizeTest, RowsOfOutliersOfZerosAndOfNoNumbers) {
  const Int8Activations edges = QuantiseActivations({7, -9, 0, 0, NAN, 1}, 3, 2, 6, false);
  EXPECT_THAT(edges.absmax, ElementsAre(0, 0, 1));
  EXPECT_THAT(edges.codes, ElementsAre(0, 0, 0, 0, 0, 127));
  EXPECT_THAT(edges.outliers[0], ElementsAre(0, 1));
  EXPECT_THAT(edges.outliers[2], ElementsAre(0));
  const Int8Activations whole = QuantiseActivations({1, NAN, 1e6f, 1}, 2, 2, 0, false);
  EXPECT_TRUE(std::isnan(whole.absmax[0]));
  EXPECT_TRUE(std::isnan(whole.absmax[1]));  // infinite in fp16
  EXPECT_THAT(whole.codes, ElementsAre(0, 0, 0, 0));
}

}  // namespace
}  // namespace gantry
