#include "plan/serving_request.h"

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kConfig[] = R"({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128,
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "dtype": "bfloat16",
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5, "hidden_act": "silu"})";

// A model whose checkpoint says `quantization`; "": it is not quantised.
ModelTree Tree(const std::string& quantization) {
  Json config = Json::parse(kConfig);
  if (!quantization.empty()) config["quantization_config"] = Json::parse(quantization);
  absl::StatusOr<ModelTree> tree = BuildModelTree(config, "config.json");
  EXPECT_THAT(tree, IsOk());
  return *std::move(tree);
}

constexpr char kNf4Checkpoint[] = R"({"quant_method": "bitsandbytes", "load_in_4bit": true,
    "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": true})";
constexpr char kInt8Checkpoint[] = R"({"load_in_8bit": true, "llm_int8_threshold": 5.0})";

// As the flags would fill it in.
ServingRequest Request(std::set<std::string> given = {}) {
  ServingRequest request;
  request.quantization.bnb_4bit_compute_dtype = DType::kBF16;
  request.quantization.load_in_4bit = given.count("load_in_4bit") > 0;
  request.quantization.load_in_8bit = given.count("load_in_8bit") > 0;
  request.given = std::move(given);
  return request;
}

void ExpectRefused(const ServingRequest& request, const std::string& checkpoint,
                   const std::string& culprit, const std::string& advice) {
  EXPECT_THAT(ResolveServingFormat(request, Tree(checkpoint), "models/m"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(testing::StartsWith(culprit), HasSubstr(advice))));
}

TEST(ServingRequestTest, FlagsHoldForAPlainCheckpoint) {
  ServingRequest request = Request({"load_in_4bit"});
  GANTRY_ASSERT_OK_AND_ASSIGN(const ServingFormat format,
                              ResolveServingFormat(request, Tree(""), "m"));
  EXPECT_TRUE(format.weights.quantization.load_in_4bit);
  EXPECT_EQ(format.weights.quantization.bnb_4bit_compute_dtype, DType::kBF16);
  EXPECT_EQ(format.weights.dtype, DType::kBF16) << "the checkpoint's";
  EXPECT_EQ(format.KvDType(MemoryKind::kGpu), DType::kBF16);
  EXPECT_EQ(format.KvDType(MemoryKind::kCpu), DType::kF32);
  EXPECT_EQ(format.ActivationDType(MemoryKind::kCpu), DType::kF32);
  request.dtype = DType::kF16;
  request.kv_cache_dtype = DType::kF32;
  GANTRY_ASSERT_OK_AND_ASSIGN(const ServingFormat other,
                              ResolveServingFormat(request, Tree(""), "m"));
  EXPECT_EQ(other.ActivationDType(MemoryKind::kGpu), DType::kF16);
  EXPECT_EQ(other.KvDType(MemoryKind::kGpu), DType::kF32);
}

TEST(ServingRequestTest, ACheckpointBringsItsOwnOptions) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const ServingFormat nf4,
                              ResolveServingFormat(Request(), Tree(kNf4Checkpoint), "m"));
  const QuantizationOptions& own = nf4.weights.quantization;
  EXPECT_TRUE(own.load_in_4bit);
  EXPECT_EQ(own.bnb_4bit_quant_type, Scheme::kNf4);
  EXPECT_TRUE(own.bnb_4bit_use_double_quant);
  EXPECT_EQ(own.bnb_4bit_compute_dtype, DType::kF32) << "bitsandbytes' default, not ours";
  GANTRY_ASSERT_OK_AND_ASSIGN(const ServingFormat int8,
                              ResolveServingFormat(Request(), Tree(kInt8Checkpoint), "m"));
  EXPECT_EQ(int8.weights.quantization.llm_int8_threshold, 5.0);
}

TEST(ServingRequestTest, HowACheckpointIsComputedMayBeChosen) {
  ServingRequest request = Request({"bnb_4bit_compute_dtype", "load_in_4bit"});
  request.quantization.bnb_4bit_compute_dtype = DType::kF16;
  request.quantization.llm_int8_enable_fp32_cpu_offload = true;
  GANTRY_ASSERT_OK_AND_ASSIGN(const ServingFormat nf4,
                              ResolveServingFormat(request, Tree(kNf4Checkpoint), "m"));
  EXPECT_EQ(nf4.weights.quantization.bnb_4bit_compute_dtype, DType::kF16);
  EXPECT_TRUE(nf4.weights.quantization.bnb_4bit_use_double_quant);
  EXPECT_TRUE(nf4.MayOffload());
  request = Request({"llm_int8_threshold"});
  request.quantization.llm_int8_threshold = 0;
  GANTRY_ASSERT_OK_AND_ASSIGN(const ServingFormat int8,
                              ResolveServingFormat(request, Tree(kInt8Checkpoint), "m"));
  EXPECT_EQ(int8.weights.quantization.llm_int8_threshold, 0);
  EXPECT_FALSE(int8.MayOffload());
}

TEST(ServingRequestTest, HowItIsStoredMayNot) {
  ExpectRefused(Request({"load_in_8bit"}), kNf4Checkpoint,
                "--load_in_8bit: ", "models/m is already quantised to 4 bits");
  ExpectRefused(Request({"load_in_4bit"}), kInt8Checkpoint, "--load_in_4bit: ", "to 8 bits");
  ServingRequest request = Request({"bnb_4bit_quant_type"});
  request.quantization.bnb_4bit_quant_type = Scheme::kFp4;
  ExpectRefused(request, kNf4Checkpoint, "--bnb_4bit_quant_type: ", "leave it out");
  // Given with the value that it is known to differ from.
  ExpectRefused(Request({"bnb_4bit_use_double_quant"}), kNf4Checkpoint,
                "--bnb_4bit_use_double_quant: ",
                "with bnb_4bit_use_double_quant true, and cannot be loaded with false");
  request = Request({"bnb_4bit_quant_storage"});
  request.quantization.bnb_4bit_quant_storage = DType::kBF16;
  ExpectRefused(request, kNf4Checkpoint,
                "--bnb_4bit_quant_storage: ", "with uint8, and cannot be loaded with bfloat16");
  request = Request({"llm_int8_skip_modules"});
  request.quantization.has_skip_modules = true;
  request.quantization.llm_int8_skip_modules = {"o_proj"};
  ExpectRefused(request, kNf4Checkpoint, "--llm_int8_skip_modules: ", "[o_proj]");
  request = Request({"llm_int8_has_fp16_weight"});
  request.quantization.llm_int8_has_fp16_weight = true;
  ExpectRefused(request, kInt8Checkpoint, "--llm_int8_has_fp16_weight: ", "leave it out");
  request = Request();
  request.offload_dtype = OffloadDType::kInt8;
  ExpectRefused(request, kNf4Checkpoint, "--offload_dtype: ", "use auto, float32 or bfloat16");
  request.offload_dtype = OffloadDType::kNf4;
  GANTRY_EXPECT_OK(ResolveServingFormat(request, Tree(kNf4Checkpoint), "m"));
}

TEST(ServingRequestTest, AFilesFieldIsNamedAsTheFilesOwn) {
  ServingRequest request = Request({"load_in_4bit", "bnb_4bit_quant_type"});
  request.quantization_config = "bnb.json";
  ExpectRefused(request, kNf4Checkpoint, "bnb.json: bnb_4bit_quant_type: ", "with nf4");
}

TEST(ServingRequestTest, WhatWouldHaveNoEffectIsRefused) {
  ExpectRefused(Request({"bnb_4bit_quant_type"}), "",
                "--bnb_4bit_quant_type: ", "no effect without --load_in_4bit");
  ExpectRefused(Request({"load_in_8bit", "bnb_4bit_compute_dtype"}), "",
                "--bnb_4bit_compute_dtype: ", "add that, or leave this out");
  ExpectRefused(Request({"load_in_4bit", "llm_int8_threshold"}), "",
                "--llm_int8_threshold: ", "--load_in_8bit");
  ExpectRefused(Request({"llm_int8_outliers"}), "", "--llm_int8_outliers: ", "--load_in_8bit");
  ExpectRefused(Request({"llm_int8_skip_modules"}), "", "--llm_int8_skip_modules: ", "no effect");
  // What CPUs are to hold counts too.
  ServingRequest request = Request({"bnb_4bit_use_double_quant", "bnb_4bit_compute_dtype"});
  request.offload_dtype = OffloadDType::kNf4;
  GANTRY_EXPECT_OK(ResolveServingFormat(request, Tree(""), "m"));
}

TEST(ServingRequestTest, TheSchemeOfCpusDecidesIts4BitType) {
  for (const OffloadDType offload : {OffloadDType::kNf4, OffloadDType::kInt8}) {
    ServingRequest request = Request({"bnb_4bit_quant_type"});
    request.offload_dtype = offload;
    ExpectRefused(request, "", "--bnb_4bit_quant_type: ", "no effect without --load_in_4bit");
    request = Request({"bnb_4bit_quant_type", "load_in_4bit"});
    request.offload_dtype = offload;
    GANTRY_EXPECT_OK(ResolveServingFormat(request, Tree(""), "m"));
  }
}

TEST(ServingRequestTest, WhatTheBitsOfACheckpointRuleOutIsNotAdvised) {
  ExpectRefused(Request({"bnb_4bit_compute_dtype"}), kInt8Checkpoint, "--bnb_4bit_compute_dtype: ",
                "models/m is already quantised to 8 bits, where this has no effect; leave it out");
  ExpectRefused(Request({"llm_int8_threshold"}), kNf4Checkpoint, "--llm_int8_threshold: ",
                "models/m is already quantised to 4 bits, where this has no effect; leave it out");
}

TEST(ServingRequestTest, OutliersNeedInt8AndAThreshold) {
  ServingRequest request = Request({"llm_int8_outliers", "load_in_4bit"});
  request.outliers_per_batch = true;
  request.quantization_config = "bnb.json";
  ExpectRefused(request, "", "--llm_int8_outliers: ", "no effect without load_in_8bit in bnb.json");
  request = Request({"llm_int8_outliers", "load_in_8bit"});
  request.outliers_per_batch = true;
  GANTRY_EXPECT_OK(ResolveServingFormat(request, Tree(""), "m"));
  request.quantization.llm_int8_threshold = 0;
  ExpectRefused(request, "", "--llm_int8_outliers=batch: ", "an llm_int8_threshold of 0");
}

TEST(ServingRequestTest, ModulesToSkipMustBeThere) {
  ServingRequest request = Request({"llm_int8_skip_modules", "load_in_8bit"});
  request.quantization.has_skip_modules = true;
  request.quantization.llm_int8_skip_modules = {"lm_head", "self_attn.o_proj", "model.layers.1",
                                                "down_proj"};
  GANTRY_EXPECT_OK(ResolveServingFormat(request, Tree(""), "m"));
  for (const char* name : {"down_porj", "model.layers.2", "layers.1", "proj"}) {
    request.quantization.llm_int8_skip_modules = {"lm_head", name};
    ExpectRefused(request, "",
                  "--llm_int8_skip_modules: ", absl::StrCat("no module is named \"", name, "\""));
  }
  // One file may be for many models.
  request.quantization_config = "bnb.json";
  GANTRY_EXPECT_OK(ResolveServingFormat(request, Tree(""), "m"));
  const std::string own = R"({"load_in_8bit": true, "llm_int8_skip_modules": ["score"]})";
  GANTRY_EXPECT_OK(ResolveServingFormat(Request(), Tree(own), "m"));
  request = Request({"llm_int8_skip_modules"});
  request.quantization.has_skip_modules = true;
  request.quantization.llm_int8_skip_modules = {"score"};
  GANTRY_EXPECT_OK(ResolveServingFormat(request, Tree(own), "m"));
}

TEST(ServingRequestTest, AWrongCheckpointIsToldFromAWrongFlag) {
  EXPECT_THAT(ResolveServingFormat(Request(), Tree(R"({"load_in_4bit": 1})"), "models/m"),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("models/m: quantization_config: load_in_4bit")));
  EXPECT_THAT(ResolveServingFormat(Request(), Tree(R"({"quant_method": "gptq"})"), "models/m"),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("gptq")));
}

}  // namespace
}  // namespace gantry
