#include "base/packed.h"

#include <cmath>
#include <functional>

#include "tests/status_matchers.h"
#include "tests/tensor_file.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

TEST(PackedTest, CodesAreBitsandbytes) {
  const TensorFile file("quantizer/vectors.safetensors");
  for (const auto& [name, scheme] : {std::pair("nf4", Scheme::kNf4), {"fp4", Scheme::kFp4}}) {
    const std::vector<float> expected = file.Floats(std::string("float32.") + name + ".code");
    const absl::Span<const float> codes = CodeBook(scheme);
    ASSERT_EQ(codes.size(), expected.size());
    EXPECT_EQ(std::memcmp(codes.data(), expected.data(), sizeof(float) * codes.size()), 0) << name;
  }
  const std::vector<float> expected = file.Floats("float32.nf4.dq.nested_code");
  ASSERT_EQ(expected.size(), DynamicMap().size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(DynamicMap()[i], expected[i]) << i;
}

TEST(PackedTest, BlockSizesArePowersOfTwo) {
  for (const int64_t size : {32, 64, 128, 256, 512, 1024, 2048, 4096}) {
    EXPECT_TRUE(IsBlockSize(size)) << size;
  }
  for (const int64_t size : {-64, 0, 16, 48, 65, 4095, 8192}) {
    EXPECT_FALSE(IsBlockSize(size)) << size;
  }
}

// A tensor of 3 x 50 = 150 weights: three blocks of 64, the last one short.
PackedTensor SmallTensor(bool double_quant) {
  PackedTensor tensor;
  tensor.scheme.scheme = Scheme::kNf4;
  tensor.scheme.double_quant = double_quant;
  tensor.rows = 3;
  tensor.cols = 50;
  tensor.codes.resize(75);
  tensor.absmax = {1, 2, 3};
  if (double_quant) {
    tensor.absmax.clear();
    tensor.absmax_codes = {0, 127, 255};
    tensor.nested_absmax = {0.5f};
    tensor.nested_map.assign(DynamicMap().begin(), DynamicMap().end());
    tensor.nested_offset = 2;
  }
  return tensor;
}

TEST(PackedTest, AbsmaxUndoesTheNestedStatistics) {
  EXPECT_EQ(SmallTensor(false).Absmax(), (std::vector<float>{1, 2, 3}));
  const PackedTensor tensor = SmallTensor(true);
  EXPECT_EQ(tensor.Absmax(), (std::vector<float>{DynamicMap()[0] * 0.5f + 2, 2, 2.5f}));
  EXPECT_EQ(tensor.BlockAbsmax(2), 2.5f);
}

TEST(PackedTest, ChecksNameTheField) {
  GANTRY_EXPECT_OK(CheckPackedTensor(SmallTensor(false)));
  GANTRY_EXPECT_OK(CheckPackedTensor(SmallTensor(true)));
  struct Case {
    bool double_quant;
    std::function<void(PackedTensor&)> spoil;
    const char* message;
  };
  const Case cases[] = {
      {false, [](PackedTensor& t) { t.rows = 0; }, "shape: "},
      {false, [](PackedTensor& t) { t.cols = int64_t{1} << 40; }, "shape: "},
      {false, [](PackedTensor& t) { t.codes.resize(74); }, "weight: expected 75 "},
      {false, [](PackedTensor& t) { t.absmax.resize(2); }, "absmax: expected 3 "},
      {false, [](PackedTensor& t) { t.absmax[1] = INFINITY; }, "absmax[1]: "},
      {false, [](PackedTensor& t) { t.scheme.block_size = 48; }, "found 48"},
      {false, [](PackedTensor& t) { t.scheme.scheme = Scheme::kFp16; }, "found fp16"},
      {true, [](PackedTensor& t) { t.absmax_codes.resize(4); }, "absmax: expected 3 "},
      {true, [](PackedTensor& t) { t.nested_absmax.clear(); }, "nested_absmax: expected 1 "},
      {true, [](PackedTensor& t) { t.nested_absmax[0] = NAN; }, "nested_absmax[0]: "},
      {true, [](PackedTensor& t) { t.nested_map.resize(16); }, "nested_quant_map: expected 256 "},
      {true, [](PackedTensor& t) { t.nested_offset = NAN; }, "nested_offset"},
  };
  for (const Case& item : cases) {
    PackedTensor tensor = SmallTensor(item.double_quant);
    item.spoil(tensor);
    EXPECT_THAT(CheckPackedTensor(tensor),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(item.message)));
  }

  PackedTensor int8;
  int8.scheme.scheme = Scheme::kInt8;
  int8.rows = 2;
  int8.cols = 3;
  int8.codes.resize(6);
  int8.absmax = {1, 2};
  GANTRY_EXPECT_OK(CheckPackedTensor(int8));
  int8.absmax = {1, NAN};
  EXPECT_THAT(CheckPackedTensor(int8),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("SCB[1]: ")));
  int8.absmax = {1};
  EXPECT_THAT(CheckPackedTensor(int8),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("SCB: expected 2 ")));
}

}  // namespace
}  // namespace gantry
