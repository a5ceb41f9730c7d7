#include "plan/serving_flags.h"

#include <fstream>

#include "absl/flags/reflection.h"
#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ServingFlagsTest : public ::testing::Test {
 protected:
  // What the program would make of these flags.
  absl::StatusOr<ServingRequest> Parse(
      const std::vector<std::pair<std::string, std::string>>& flags) {
    const absl::FlagSaver saver;
    for (const auto& [name, value] : flags) {
      absl::CommandLineFlag* const flag = absl::FindCommandLineFlag(name);
      EXPECT_NE(flag, nullptr) << name;
      std::string error;
      EXPECT_TRUE(flag->ParseFrom(value, &error)) << name << ": " << error;
    }
    return ServingRequestFromFlags();
  }
};

TEST_F(ServingFlagsTest, NothingIsGivenUnlessItIs) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const ServingRequest request, Parse({}));
  EXPECT_TRUE(request.given.empty());
  EXPECT_EQ(request.quantization.bnb_4bit_compute_dtype, DType::kBF16);
  EXPECT_EQ(request.quantization.bnb_4bit_quant_type, Scheme::kFp4);
  EXPECT_EQ(request.quantization.llm_int8_threshold, 6.0);
  EXPECT_FALSE(request.dtype.has_value());
  EXPECT_FALSE(request.kv_cache_dtype.has_value());
  EXPECT_FALSE(request.offload_dtype.has_value());
  EXPECT_FALSE(request.outliers_per_batch);
  EXPECT_FALSE(request.deterministic);
}

TEST_F(ServingFlagsTest, EveryFlag) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const ServingRequest request,
                              Parse({{"load_in_4bit", "true"},
                                     {"llm_int8_threshold", "0"},
                                     {"llm_int8_skip_modules", "lm_head,,a.b"},
                                     {"llm_int8_enable_fp32_cpu_offload", "true"},
                                     {"llm_int8_has_fp16_weight", "true"},
                                     {"bnb_4bit_compute_dtype", "float16"},
                                     {"bnb_4bit_quant_type", "nf4"},
                                     {"bnb_4bit_use_double_quant", "true"},
                                     {"bnb_4bit_quant_storage", "bfloat16"},
                                     {"dtype", "float32"},
                                     {"kv_cache_dtype", "float16"},
                                     {"offload_dtype", "int8"},
                                     {"llm_int8_outliers", "batch"},
                                     {"deterministic", "true"}}));
  const QuantizationOptions& options = request.quantization;
  EXPECT_TRUE(options.load_in_4bit);
  EXPECT_EQ(options.llm_int8_threshold, 0);
  EXPECT_THAT(options.llm_int8_skip_modules, ElementsAre("lm_head", "a.b"));
  EXPECT_TRUE(options.has_skip_modules);
  EXPECT_TRUE(options.llm_int8_enable_fp32_cpu_offload);
  EXPECT_TRUE(options.llm_int8_has_fp16_weight);
  EXPECT_EQ(options.bnb_4bit_compute_dtype, DType::kF16);
  EXPECT_EQ(options.bnb_4bit_quant_type, Scheme::kNf4);
  EXPECT_TRUE(options.bnb_4bit_use_double_quant);
  EXPECT_EQ(options.bnb_4bit_quant_storage, DType::kBF16);
  EXPECT_EQ(request.dtype, DType::kF32);
  EXPECT_EQ(request.kv_cache_dtype, DType::kF16);
  EXPECT_EQ(request.offload_dtype, OffloadDType::kInt8);
  EXPECT_TRUE(request.outliers_per_batch);
  EXPECT_TRUE(request.deterministic);
  EXPECT_EQ(request.given.count("bnb_4bit_use_double_quant"), 1);
}

TEST_F(ServingFlagsTest, FalseIsGivenToo) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const ServingRequest request,
                              Parse({{"bnb_4bit_use_double_quant", "false"}}));
  EXPECT_THAT(request.given, ElementsAre("bnb_4bit_use_double_quant"));
  EXPECT_FALSE(request.quantization.bnb_4bit_use_double_quant);
}

TEST_F(ServingFlagsTest, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"llm_int8_threshold", "-1"},       {"llm_int8_threshold", "nan"},
      {"bnb_4bit_compute_dtype", "int8"}, {"bnb_4bit_quant_type", "NF4"},
      {"bnb_4bit_quant_storage", "int4"}, {"dtype", "int8"},
      {"kv_cache_dtype", "int8"},         {"offload_dtype", "float16"},
      {"llm_int8_outliers", "never"},
  };
  for (const auto& [flag, value] : cases) {
    EXPECT_THAT(Parse({{flag, value}}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(std::string("--") + flag + ": expected ")))
        << value;
  }
  EXPECT_THAT(Parse({{"load_in_4bit", "true"}, {"load_in_8bit", "true"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("only one")));
}

TEST_F(ServingFlagsTest, AFileSaysAll) {
  const TempFolder folder;
  const std::string path = folder.path() + "/bnb.json";
  std::ofstream(path) << R"({"load_in_4bit": true, "bnb_4bit_quant_type": "nf4"})";
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const ServingRequest request,
      Parse({{"quantization_config", path}, {"llm_int8_enable_fp32_cpu_offload", "true"}}));
  EXPECT_THAT(request.given, ElementsAre("bnb_4bit_quant_type", "load_in_4bit"));
  EXPECT_EQ(request.quantization_config, path);
  EXPECT_EQ(request.quantization.bnb_4bit_compute_dtype, DType::kF32) << "a file's default";
  EXPECT_TRUE(request.quantization.llm_int8_enable_fp32_cpu_offload);
  EXPECT_THAT(Parse({{"quantization_config", path}, {"bnb_4bit_compute_dtype", "float16"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("leave out --bnb_4bit_compute_dtype")));
  std::ofstream(path) << R"({"bnb_4bit_blocksize": 64})";
  EXPECT_THAT(Parse({{"quantization_config", path}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bnb_4bit_blocksize")));
}

}  // namespace
}  // namespace gantry
