#include "base/dtype.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace gantry {
namespace {

uint32_t Bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
float FromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// What a half-precision number is, by IEEE 754.
double HalfValue(uint16_t bits) {
  const int sign = bits >> 15 ? -1 : 1;
  const int exponent = bits >> 10 & 31;
  const int mantissa = bits & 1023;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(DTypeTest, EveryHalf) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = F16ToFloat(static_cast<uint16_t>(bits));
    const bool special = (bits & 0x7c00) == 0x7c00;
    if (special && (bits & 0x3ff) != 0) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(F16ToFloat(FloatToF16(value)))) << bits;
      continue;
    }
    if (special) {
      ASSERT_EQ(value, bits >> 15 ? -INFINITY : INFINITY);
    } else {
      ASSERT_EQ(value, HalfValue(static_cast<uint16_t>(bits))) << bits;
      ASSERT_EQ(std::signbit(value), bits >> 15 != 0) << bits;
    }
    ASSERT_EQ(FloatToF16(value), bits);
  }
}

TEST(DTypeTest, EveryBFloat) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = BF16ToFloat(static_cast<uint16_t>(bits));
    ASSERT_EQ(Bits(value), bits << 16);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(BF16ToFloat(FloatToBF16(value)))) << bits;
    } else {
      ASSERT_EQ(FloatToBF16(value), bits);
    }
  }
}

// Between two neighbours the nearer one wins, and the even one in the middle.
TEST(DTypeTest, HalfRoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const double low = HalfValue(static_cast<uint16_t>(bits));
    const double high = HalfValue(static_cast<uint16_t>(bits + 1));
    const float middle = static_cast<float>((low + high) / 2);  // exact
    const uint16_t even = static_cast<uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    ASSERT_EQ(FloatToF16(middle), even) << bits;
    ASSERT_EQ(FloatToF16(std::nextafter(middle, 0.f)), bits);
    ASSERT_EQ(FloatToF16(std::nextafter(middle, INFINITY)), bits + 1);
    ASSERT_EQ(FloatToF16(-middle), even | 0x8000);
  }
  EXPECT_EQ(FloatToF16(65519.996f), 0x7bff);
  EXPECT_EQ(FloatToF16(65520.f), 0x7c00);
  EXPECT_EQ(FloatToF16(1e30f), 0x7c00);
  EXPECT_EQ(FloatToF16(-1e30f), 0xfc00);
  EXPECT_EQ(FloatToF16(1e-30f), 0);
  EXPECT_EQ(FloatToF16(-0.f), 0x8000);
  EXPECT_EQ(FloatToF16(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(DTypeTest, BFloatRoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7f7f; ++bits) {
    const float middle = FromBits(bits << 16 | 0x8000);
    const uint16_t even = static_cast<uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    ASSERT_EQ(FloatToBF16(middle), even) << bits;
    ASSERT_EQ(FloatToBF16(FromBits(Bits(middle) - 1)), bits);
    ASSERT_EQ(FloatToBF16(FromBits(Bits(middle) + 1)), bits + 1);
  }
  EXPECT_EQ(FloatToBF16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(FloatToBF16(INFINITY), 0x7f80);
  EXPECT_TRUE(std::isnan(BF16ToFloat(FloatToBF16(FromBits(0x7f800001)))));
}

TEST(DTypeTest, ToFloatReadsUnaligned) {
  const uint16_t halves[] = {FloatToF16(1.5f), FloatToF16(-2.25f), FloatToF16(6e-8f)};
  std::vector<char> bytes(1 + sizeof(halves));
  std::memcpy(bytes.data() + 1, halves, sizeof(halves));
  float out[3];
  ToFloat(DType::kF16, bytes.data() + 1, 3, out);
  EXPECT_EQ(out[0], 1.5f);
  EXPECT_EQ(out[1], -2.25f);
  EXPECT_EQ(out[2], F16ToFloat(halves[2]));
  const uint16_t brains[] = {FloatToBF16(1.5f), FloatToBF16(-3e38f)};
  ToFloat(DType::kBF16, brains, 2, out);
  EXPECT_EQ(out[0], 1.5f);
  EXPECT_EQ(out[1], BF16ToFloat(brains[1]));
  const float floats[] = {0.1f, -7.f};
  ToFloat(DType::kF32, floats, 2, out);
  EXPECT_EQ(out[0], 0.1f);
  EXPECT_EQ(out[1], -7.f);
}

// All bits but NaN's, in runs that begin and end anywhere, at odd addresses.
TEST(DTypeTest, LoopsRoundAsSingleConversionsDo) {
  std::mt19937 random(std::random_device{}());
  std::vector<float> values;
  for (int i = 0; i < 5000; ++i) values.push_back(FromBits(random()));
  for (const float value : {0.f, -0.f, INFINITY, -INFINITY, NAN, 65519.996f, 65520.f, 6e-8f}) {
    values.push_back(value);
  }
  for (const size_t count :
       {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{9}, size_t{31}, values.size()}) {
    for (const DType dtype : {DType::kF16, DType::kBF16}) {
      std::vector<char> narrow(1 + 2 * count + 2, 0x55);
      FromFloat(dtype, values.data() + values.size() - count, count, narrow.data() + 1);
      EXPECT_EQ(narrow[0], 0x55);
      EXPECT_EQ(narrow[1 + 2 * count], 0x55);
      std::vector<float> wide(count + 1, -3);
      ToFloat(dtype, narrow.data() + 1, count, wide.data());
      EXPECT_EQ(wide[count], -3);
      std::vector<float> rounded(values.end() - count, values.end());
      RoundFloats(dtype, count, rounded.data());
      for (size_t i = 0; i < count; ++i) {
        const float value = values[values.size() - count + i];
        const float expected =
            dtype == DType::kF16 ? F16ToFloat(FloatToF16(value)) : BF16ToFloat(FloatToBF16(value));
        if (std::isnan(value)) {
          ASSERT_TRUE(std::isnan(wide[i]) && std::isnan(rounded[i]));
        } else {
          ASSERT_EQ(Bits(wide[i]), Bits(expected)) << value;
          ASSERT_EQ(Bits(rounded[i]), Bits(expected)) << value;
        }
      }
    }
  }
}

TEST(DTypeTest, Names) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kI8,
                            DType::kU8, DType::kI16, DType::kI32, DType::kI64, DType::kBool}) {
    EXPECT_EQ(DTypeFromSafetensors(DTypeName(dtype)), dtype);
  }
  EXPECT_EQ(DTypeFromTorch("bfloat16"), DType::kBF16);
  EXPECT_EQ(TorchName(DType::kBF16), "bfloat16");
  EXPECT_EQ(SchemeOfDType(DType::kBF16), Scheme::kBf16);
  EXPECT_EQ(SchemeOfDType(DType::kF16), Scheme::kFp16);
  EXPECT_EQ(SchemeOfDType(DType::kF32), Scheme::kFp32);
  EXPECT_EQ(DTypeFromTorch("torch.float16"), DType::kF16);
  EXPECT_EQ(DTypeFromTorch("float"), std::nullopt);
  EXPECT_EQ(DTypeFromSafetensors("f32"), std::nullopt);
  EXPECT_EQ(DTypeSize(DType::kF64), 8);
  EXPECT_EQ(DTypeSize(DType::kBF16), 2);
  EXPECT_EQ(DTypeSize(DType::kBool), 1);
  for (const Scheme scheme :
       {Scheme::kFp32, Scheme::kFp16, Scheme::kBf16, Scheme::kInt8, Scheme::kNf4, Scheme::kFp4}) {
    EXPECT_EQ(SchemeFromName(SchemeName(scheme)), scheme);
  }
  EXPECT_EQ(SchemeFromName("int4"), std::nullopt);
}

}  // namespace
}  // namespace gantry
