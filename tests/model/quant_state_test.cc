#include "model/quant_state.h"

#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

// As bitsandbytes 0.50 wrote them.
constexpr char kPlain[] =
    R"({"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [256, 512]})";
constexpr char kNested[] =
    R"({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [256, 512], )"
    R"("nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.12476110458374023})";

TEST(QuantStateTest, ReadsAndWritesTheSameBytes) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const QuantState plain, ParseQuantState(kPlain, Scheme::kNf4));
  EXPECT_EQ(plain.scheme, (TensorScheme{.scheme = Scheme::kNf4}));
  EXPECT_EQ(plain.dtype, DType::kF32);
  EXPECT_EQ(plain.rows, 256);
  EXPECT_EQ(plain.cols, 512);
  EXPECT_EQ(FormatQuantState(plain), kPlain);
  GANTRY_ASSERT_OK_AND_ASSIGN(const QuantState nested, ParseQuantState(kNested, Scheme::kNf4));
  EXPECT_EQ(nested.scheme, (TensorScheme{.scheme = Scheme::kNf4, .double_quant = true}));
  EXPECT_EQ(nested.dtype, DType::kBF16);
  EXPECT_EQ(nested.nested_offset, 0.12476110458374023f);
  EXPECT_EQ(FormatQuantState(nested), kNested);
}

TEST(QuantStateTest, WritesOffsetsAsPythonDoes) {
  QuantState state;
  state.scheme = {.scheme = Scheme::kFp4, .double_quant = true, .block_size = 128};
  state.rows = state.cols = 1;
  const std::pair<float, const char*> cases[] = {
      {0, "0.0"},
      {1, "1.0"},
      {1e-4f, "9.999999747378752e-05"},
      {0.5f, "0.5"},
      {0.12759780883789062f, "0.12759780883789062"},  // ...3 is as near

      {1e-10f, "1.000000013351432e-10"},
      {3e20f, "3.000000060122632e+20"}};
  for (const auto& [offset, text] : cases) {
    state.nested_offset = offset;
    const std::string formatted = FormatQuantState(state);
    EXPECT_THAT(formatted, HasSubstr(absl::StrCat("\"nested_offset\": ", text, "}")));
    GANTRY_ASSERT_OK_AND_ASSIGN(const QuantState again, ParseQuantState(formatted, Scheme::kFp4));
    EXPECT_EQ(again.nested_offset, offset);
    EXPECT_EQ(again.scheme, state.scheme);
  }
}

// `text` with the first `from` replaced.
std::string With(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(QuantStateTest, WhatIsWrongIsNamed) {
  const std::pair<std::string, const char*> cases[] = {
      {With(kNested, "\"nf4\"", "\"fp4\""), "quant_type: expected \"nf4\", as the tensor's name"},
      {With(kNested, "\"nf4\"", "\"int4\""), "quant_type"},
      {With(kNested, "\"quant_type\": \"nf4\", ", ""), "quant_type"},
      {With(kNested, "64", "48"), "blocksize: expected a power of two from 32 to 4096, found 48"},
      {With(kNested, "64", "8192"), "blocksize"},
      {With(kNested, "64", "0"), "blocksize"},
      {With(kNested, "64", "-64"), "blocksize"},
      {With(kNested, "64", "64.5"), "blocksize"},
      {With(kNested, "64", "\"64\""), "blocksize"},
      {With(kNested, "bfloat16", "int8"), "dtype"},
      {With(kNested, "\"bfloat16\"", "16"), "dtype"},
      {With(kNested, "[256, 512]", "[256]"), "shape: expected a list of two sizes"},
      {With(kNested, "[256, 512]", "[256, 512, 1]"), "shape"},
      {With(kNested, "[256, 512]", "[256, -512]"), "shape"},
      {With(kNested, "[256, 512]", "[0, 512]"), "shape"},
      {With(kNested, "[256, 512]", "[256, 4294967296]"), "shape"},
      {With(kNested, "[256, 512]", "[256.0, 512]"), "shape"},
      {With(kNested, "[256, 512]", "{}"), "shape"},
      {With(kNested, ", \"shape\": [256, 512]", ""), "shape"},
      {With(kNested, "256, \"nested_dtype\"", "64, \"nested_dtype\""),
       "nested_blocksize: expected 256, found 64"},
      {With(kNested, "\"nested_blocksize\": 256, ", ""), "nested_blocksize"},
      {With(kNested, "\"nested_dtype\": \"float32\", ", ""), "nested_dtype"},
      {With(kNested, "\"float32\"", "\"float16\""), "nested_dtype"},
      {With(kNested, ", \"nested_offset\": 0.12476110458374023", ""), "nested_offset"},
      {With(kNested, "0.12476110458374023", "NaN"), "JSON"},
      {With(kNested, "0.12476110458374023", "1e39"), "nested_offset"},
      {With(kNested, "0.12476110458374023", "\"0\""), "nested_offset"},
      {With(kNested, "\"dtype\"", "\"offset\""), "offset: expected no field but"},
      {With(kNested, "\"dtype\"", "\"blocksize\""), "twice"},
      {"", "JSON"},
      {"[]", "a JSON object"},
      {"{", "JSON"},
      {std::string(64, '[') + std::string(64, ']'), "nested deeper than 8"},
      {With(kNested, "nf4", "nf\xff"), "UTF-8"},
      {std::string(kNested) + std::string(kMaxQuantStateBytes, ' '), "at most 4096"},
  };
  for (const auto& [text, culprit] : cases) {
    EXPECT_THAT(ParseQuantState(text, Scheme::kNf4),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(culprit)))
        << text.substr(0, 300);
  }
}

}  // namespace
}  // namespace gantry
