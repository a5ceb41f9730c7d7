#include "model/quantization_config.h"

#include "base/file.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<QuantizationOptions> Parse(absl::string_view text) {
  const absl::StatusOr<Json> json = ParseJson(text, "text");
  EXPECT_THAT(json, IsOk());
  return ParseQuantizationOptions(*json, "bnb.json");
}

TEST(QuantizationOptionsTest, DefaultsAreThoseOfBitsAndBytesConfig) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const QuantizationOptions options, Parse(R"({"load_in_4bit":true})"));
  EXPECT_TRUE(options.load_in_4bit);
  EXPECT_FALSE(options.load_in_8bit);
  EXPECT_EQ(options.bnb_4bit_quant_type, Scheme::kFp4);
  EXPECT_FALSE(options.bnb_4bit_use_double_quant);
  EXPECT_EQ(options.bnb_4bit_compute_dtype, DType::kF32);
  EXPECT_EQ(options.bnb_4bit_quant_storage, DType::kU8);
  EXPECT_EQ(options.llm_int8_threshold, 6.0);
  EXPECT_FALSE(options.has_skip_modules);
}

TEST(QuantizationOptionsTest, EveryField) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const QuantizationOptions options,
      Parse(R"({"quant_method":"bitsandbytes","_load_in_4bit":true,"load_in_8bit":false,
                "_load_in_8bit":false,"llm_int8_threshold":4.5,"llm_int8_skip_modules":["a","b.c"],
                "llm_int8_enable_fp32_cpu_offload":true,"llm_int8_has_fp16_weight":true,
                "bnb_4bit_compute_dtype":"torch.bfloat16","bnb_4bit_quant_type":"nf4",
                "bnb_4bit_use_double_quant":true,"bnb_4bit_quant_storage":"bfloat16"})"));
  EXPECT_TRUE(options.load_in_4bit);
  EXPECT_EQ(options.llm_int8_threshold, 4.5);
  EXPECT_THAT(options.llm_int8_skip_modules, ElementsAre("a", "b.c"));
  EXPECT_TRUE(options.has_skip_modules);
  EXPECT_TRUE(options.llm_int8_enable_fp32_cpu_offload);
  EXPECT_TRUE(options.llm_int8_has_fp16_weight);
  EXPECT_EQ(options.bnb_4bit_compute_dtype, DType::kBF16);
  EXPECT_EQ(options.bnb_4bit_quant_type, Scheme::kNf4);
  EXPECT_TRUE(options.bnb_4bit_use_double_quant);
  EXPECT_EQ(options.bnb_4bit_quant_storage, DType::kBF16);
}

TEST(QuantizationOptionsTest, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"load_in_4bit":true,"load_in_8bit":true})", "only one can be used"},
      {R"({"load_in_4bit":1})", "load_in_4bit"},
      {R"({"load_in_4bit":true,"_load_in_4bit":false})", "_load_in_4bit"},
      {R"({"llm_int8_threshold":6})", "llm_int8_threshold"},
      {R"({"llm_int8_threshold":-1.0})", "llm_int8_threshold"},
      {R"({"llm_int8_skip_modules":"lm_head"})", "llm_int8_skip_modules"},
      {R"({"llm_int8_skip_modules":[""]})", "llm_int8_skip_modules"},
      {R"({"bnb_4bit_quant_type":"NF4"})", "bnb_4bit_quant_type"},
      {R"({"bnb_4bit_compute_dtype":"int8"})", "bnb_4bit_compute_dtype"},
      {R"({"bnb_4bit_quant_storage":"int64"})", "bnb_4bit_quant_storage"},
      {R"({"bnb_4bit_blocksize":64})", "bnb_4bit_blocksize"},
      {R"([])", "a JSON object"},
  };
  for (const auto& [text, culprit] : cases) {
    EXPECT_THAT(Parse(text), StatusIs(absl::StatusCode::kInvalidArgument,
                                      AllOf(HasSubstr("bnb.json: "), HasSubstr(culprit))))
        << text;
  }
  EXPECT_THAT(Parse(R"({"quant_method":"gptq","bits":4})"),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("\"gptq\"")));
}

TEST(QuantizationOptionsTest, AreWrittenAsTransformersWritesThem) {
  for (const std::string name : {"int8", "nf4-dq-bf16", "nf4-fp32"}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(
        const Json config, ReadJsonFile(GANTRY_TESTDATA "/prequantized/" + name + "/config.json"));
    const Json& own = config["quantization_config"];
    GANTRY_ASSERT_OK_AND_ASSIGN(const QuantizationOptions options,
                                ParseQuantizationOptions(own, name));
    EXPECT_EQ(DumpJson(QuantizationOptionsToJson(options)), DumpJson(own)) << name;
  }
  QuantizationOptions options;
  options.has_skip_modules = true;
  options.llm_int8_skip_modules = {"a", "b.c"};
  EXPECT_EQ(DumpJson(QuantizationOptionsToJson(options)["llm_int8_skip_modules"]),
            R"(["a","b.c"])");
}

}  // namespace
}  // namespace gantry
