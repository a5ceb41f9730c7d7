// quantize: writes a checkpoint in bitsandbytes' format. See --help.

#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/bytes.h"
#include "base/exit_code.h"
#include "base/file.h"
#include "base/flags.h"
#include "plan/quantization.h"
#include "worker/quantise_model.h"

ABSL_FLAG(std::string, model, "",
          "Folder with the model, or its name in the local Hugging Face cache");
ABSL_FLAG(std::string, output, "", "Folder to write; one that does not exist or is empty");
ABSL_FLAG(bool, load_in_8bit, false, "Weights in LLM.int8().");
ABSL_FLAG(bool, load_in_4bit, false, "Weights in 4 bits.");
ABSL_FLAG(std::string, bnb_4bit_quant_type, "fp4", "fp4 or nf4.");
ABSL_FLAG(bool, bnb_4bit_use_double_quant, false, "Quantise the scales of 4-bit weights too.");
ABSL_FLAG(std::string, bnb_4bit_quant_storage, "uint8",
          "Type that 4-bit weights are packed into: uint8, int8, float16, bfloat16, float32 or "
          "float64.");
ABSL_FLAG(std::string, bnb_4bit_compute_dtype, "float32",
          "Type of products with 4-bit weights, for config.json: float32, float16 or bfloat16.");
ABSL_FLAG(double, llm_int8_threshold, 6.0,
          "Outliers above this stay in 16 bits, for config.json. 0: none.");
ABSL_FLAG(bool, llm_int8_has_fp16_weight, false,
          "Refused: bitsandbytes saves such weights in 16 bits.");
ABSL_FLAG(bool, llm_int8_enable_fp32_cpu_offload, false,
          "Let CPUs hold layers in fp32, for config.json.");
ABSL_FLAG(std::string, llm_int8_skip_modules, "",
          "Modules that stay unquantised, a,b; unless given, lm_head and what is tied to it.");
ABSL_FLAG(std::string, dtype, "auto",
          "Type of the weights that are not quantised, to which the others are rounded before: "
          "float32, float16, bfloat16, or auto for the model's.");
ABSL_FLAG(std::string, max_shard_size, "5GB", "Of one safetensors file.");
ABSL_FLAG(int, threads, 0, "Threads that quantise; 0: one a core");

namespace gantry {
namespace {

constexpr int kMaxThreads = 4096;
constexpr char kUsage[] =
    R"(quantize: writes a model as transformers saves it once bitsandbytes has quantised it

  quantize --model DIR_or_NAME --output DIR --load_in_4bit --bnb_4bit_quant_type nf4
  quantize --model DIR_or_NAME --output DIR --load_in_8bit

The result loads in transformers and in Gantry. Memory: a few tensors. It appears under its name
when it is complete; what an interrupted run leaves is named DIR.partial-PID.

Exit codes: 0 done, 1 failed, 2 wrong usage, 4 bad checkpoint.)";

DType DTypeFlag(absl::string_view flag, const std::string& value,
                std::initializer_list<DType> allowed) {
  const absl::StatusOr<DType> dtype = DTypeFromFlag(flag, value, allowed);
  if (!dtype.ok()) UsageError(dtype.status().message());
  return *dtype;
}

void ReadFourBitFlags(QuantizationOptions* options) {
  const QuantizationOptions defaults;
  const std::string type = absl::GetFlag(FLAGS_bnb_4bit_quant_type);
  if (type != "fp4" && type != "nf4") {
    UsageError(WrongFlag("bnb_4bit_quant_type", "fp4 or nf4", type).message());
  }
  options->bnb_4bit_quant_type = type == "fp4" ? Scheme::kFp4 : Scheme::kNf4;
  options->bnb_4bit_use_double_quant = absl::GetFlag(FLAGS_bnb_4bit_use_double_quant);
  options->bnb_4bit_quant_storage =
      DTypeFlag("bnb_4bit_quant_storage", absl::GetFlag(FLAGS_bnb_4bit_quant_storage),
                {DType::kU8, DType::kI8, DType::kF16, DType::kBF16, DType::kF32, DType::kF64});
  options->bnb_4bit_compute_dtype =
      DTypeFlag("bnb_4bit_compute_dtype", absl::GetFlag(FLAGS_bnb_4bit_compute_dtype),
                {DType::kF32, DType::kF16, DType::kBF16});
  if (options->load_in_4bit) return;
  const std::pair<const char*, bool> given[] = {
      {"bnb_4bit_quant_type", options->bnb_4bit_quant_type != defaults.bnb_4bit_quant_type},
      {"bnb_4bit_use_double_quant", options->bnb_4bit_use_double_quant},
      {"bnb_4bit_quant_storage",
       options->bnb_4bit_quant_storage != defaults.bnb_4bit_quant_storage},
      {"bnb_4bit_compute_dtype",
       options->bnb_4bit_compute_dtype != defaults.bnb_4bit_compute_dtype}};
  for (const auto& [flag, differs] : given) {
    if (differs) UsageError(absl::StrCat("--", flag, ": has no meaning without --load_in_4bit"));
  }
}

QuantizationOptions QuantizationFromFlags() {
  QuantizationOptions options;
  options.load_in_8bit = absl::GetFlag(FLAGS_load_in_8bit);
  options.load_in_4bit = absl::GetFlag(FLAGS_load_in_4bit);
  if (options.load_in_8bit == options.load_in_4bit) {
    UsageError("give one of --load_in_4bit and --load_in_8bit");
  }
  ReadFourBitFlags(&options);
  options.llm_int8_threshold = absl::GetFlag(FLAGS_llm_int8_threshold);
  if (!(options.llm_int8_threshold >= 0 && options.llm_int8_threshold < 1e30)) {
    UsageError("--llm_int8_threshold: expected 0 or more, for example 6.0");
  }
  if (absl::GetFlag(FLAGS_llm_int8_has_fp16_weight)) {
    UsageError(
        "--llm_int8_has_fp16_weight: such weights are saved in 16 bits and quantised when "
        "they are loaded; serve the original model");
  }
  options.llm_int8_enable_fp32_cpu_offload = absl::GetFlag(FLAGS_llm_int8_enable_fp32_cpu_offload);
  if (const std::string skip = absl::GetFlag(FLAGS_llm_int8_skip_modules); !skip.empty()) {
    options.llm_int8_skip_modules = absl::StrSplit(skip, ',', absl::SkipWhitespace());
    options.has_skip_modules = true;
  }
  return options;
}

QuantiseOptions OptionsFromFlags() {
  QuantiseOptions options;
  options.model = absl::GetFlag(FLAGS_model);
  options.output = absl::GetFlag(FLAGS_output);
  if (options.model.empty()) UsageError("--model: expected a folder or a name");
  if (options.output.empty()) UsageError("--output: expected a folder");
  options.quantization = QuantizationFromFlags();
  if (const std::string dtype = absl::GetFlag(FLAGS_dtype); dtype != "auto") {
    options.dtype = DTypeFlag("dtype", dtype, {DType::kF32, DType::kF16, DType::kBF16});
  }
  const absl::StatusOr<uint64_t> shard = ParseBytes(absl::GetFlag(FLAGS_max_shard_size));
  if (!shard.ok()) UsageError(absl::StrCat("--max_shard_size: ", shard.status().message()));
  if (*shard == 0) UsageError("--max_shard_size: expected more than nothing");
  options.max_shard_bytes = *shard;
  options.threads = absl::GetFlag(FLAGS_threads);
  const absl::Status threads = CheckFlagRange("threads", options.threads, 0, kMaxThreads);
  if (!threads.ok()) UsageError(threads.message());
  return options;
}

int Fail(const absl::Status& status, ExitCode code) {
  std::fprintf(stderr, "quantize: %s\n", std::string(status.message()).c_str());
  return code;
}

// A name that nobody knows is wrong usage; a path that leads to no model is a bad checkpoint.
ExitCode CodeOfModelError(const absl::Status& status, const std::string& model) {
  const bool is_path = model[0] == '/' || model[0] == '.' || FileExists(model);
  return absl::IsNotFound(status) && !is_path ? kExitUsage : kExitBadCheckpoint;
}

ExitCode CodeOfWriteError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kAlreadyExists:
      return kExitUsage;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kDataLoss:
      return kExitBadCheckpoint;
    default:
      return kExitFailed;
  }
}

int Main(int argc, char** argv) {
  const std::vector<std::string> rest = ParseFlags(argc, argv, kUsage, {"worker/quantize_main.cc"});
  if (!rest.empty()) UsageError(absl::StrCat("unexpected argument \"", rest[0], "\""));
  const QuantiseOptions options = OptionsFromFlags();
  const absl::StatusOr<ModelToQuantise> model = OpenModelToQuantise(options.model);
  if (!model.ok()) return Fail(model.status(), CodeOfModelError(model.status(), options.model));
  if (const absl::Status named =
          CheckSkipModules(model->tree, options.quantization.llm_int8_skip_modules);
      !named.ok()) {
    return Fail(named, kExitUsage);
  }
  const bool terminal = isatty(STDERR_FILENO) != 0;
  int shown = -1;
  const absl::StatusOr<QuantisedModel> written =
      QuantiseModel(*model, options, [&](uint64_t done, uint64_t total) {
        const int percent =
            static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total));
        if (!terminal || percent == shown) return;
        shown = percent;
        std::fprintf(stderr, "\rquantising: %d %%%s", percent, done == total ? "\n" : "");
      });
  if (!written.ok()) return Fail(written.status(), CodeOfWriteError(written.status()));
  std::printf("%s: %d weights quantised, the rest %s, %s in %d %s\n", options.output.c_str(),
              written->weights, std::string(TorchName(written->dtype)).c_str(),
              FormatBytes(written->bytes).c_str(), written->files,
              written->files == 1 ? "file" : "files");
  return kExitDone;
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) { return gantry::Main(argc, argv); }
