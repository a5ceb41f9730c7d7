#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "plan/explain.h"

namespace gantry {
namespace {

constexpr int kMaxMoreGpus = 64;
constexpr int64_t kMinUsefulContext = 256;

class Suggester {
 public:
  Suggester(const PlannerModel& model, const PlannerOptions& options, const PlanResult& result)
      : model_(model), options_(options), result_(result) {}

  std::vector<PlanSuggestion> Run() {
    const bool others_mode = options_.device_map != "optimal";
    if (others_mode) {
      Try("--device_map=optimal", [](PlannerOptions* o) { SetOptimal(o); });
    }
    const bool has_cpu = Has(MemoryKind::kCpu);
    const bool has_gpu = Has(MemoryKind::kGpu);
    if (has_cpu && has_gpu && options_.quantization.quantized() &&
        !options_.quantization.llm_int8_enable_fp32_cpu_offload) {
      const absl::string_view change = "let the CPU hold layers in fp32";
      const auto allow = [](PlannerOptions* o) {
        o->quantization.llm_int8_enable_fp32_cpu_offload = true;
      };
      if (!Try(change, allow) && others_mode) {
        Try(change, [&](PlannerOptions* o) {
          SetOptimal(o);
          allow(o);
        });
      }
    }
    ShorterContext();
    SmallerBatch();
    if (!options_.checkpoint_quantization) OtherSchemes(has_gpu);
    if (!options_.max_memory.has_value()) AddCpu();
    if (has_gpu && !options_.max_memory.has_value()) MoreGpus();
    return std::move(suggestions_);
  }

 private:
  static void SetOptimal(PlannerOptions* options) {
    options->device_map = "optimal";
    options->given_map.reset();
    options->given_map_file.clear();
  }
  bool Has(MemoryKind kind) const {
    return std::any_of(options_.hardware.devices.begin(), options_.hardware.devices.end(),
                       [kind](const HardwareDevice& device) { return device.kind == kind; });
  }

  bool Fits(const PlannerOptions& options) const {
    const absl::StatusOr<PlanResult> result = MakePlan(model_, options, false);
    return result.ok() && result->fits();
  }

  // Keeps the change if it makes the model fit.
  bool Try(absl::string_view change, const std::function<void(PlannerOptions*)>& apply) {
    PlannerOptions options = options_;
    apply(&options);
    if (!Fits(options)) return false;
    suggestions_.push_back(PlanSuggestion{std::string(change), PlannerCommand(options)});
    return true;
  }

  void ShorterContext() {
    const int64_t context = LargestContext(model_.tree, result_);
    const int64_t asked = result_.workload.shape.context;
    if (context < kMinUsefulContext || context >= asked) return;
    Try(absl::StrCat("a context of ", context, " tokens"), [context](PlannerOptions* o) {
      SetOptimal(o);
      o->context = context;
      o->prompt_tokens = std::min(o->prompt_tokens, context);
    });
  }

  void SmallerBatch() {
    if (options_.batch == 1) return;
    const int64_t batch = LargestBatch(model_.tree, result_);
    if (batch < 1 || batch >= options_.batch) return;
    Try(absl::StrCat("a batch of ", batch), [batch](PlannerOptions* o) {
      SetOptimal(o);
      o->batch = batch;
    });
  }

  void OtherSchemes(bool has_gpu) {
    const QuantizationOptions& now = options_.quantization;
    if (!has_gpu) return;
    const auto set = [](PlannerOptions* o, bool four_bit) {
      SetOptimal(o);
      o->quantization_config.clear();
      o->quantization.load_in_8bit = !four_bit;
      o->quantization.load_in_4bit = four_bit;
      o->quantization.bnb_4bit_quant_type = Scheme::kNf4;
    };
    const bool dtype32 = result_.workload.format.dtype == DType::kF32;
    if (!now.quantized() && dtype32 && Try("weights in bfloat16", [](PlannerOptions* o) {
          SetOptimal(o);
          o->dtype = DType::kBF16;
        })) {
      return;
    }
    if (!now.quantized() && Try("weights in int8", [&](PlannerOptions* o) { set(o, false); })) {
      return;
    }
    if (!now.load_in_4bit && Try("weights in 4 bits", [&](PlannerOptions* o) { set(o, true); })) {
      return;
    }
    if (!now.bnb_4bit_use_double_quant &&
        Try("weights in 4 bits with double quantisation", [&](PlannerOptions* o) {
          set(o, true);
          o->quantization.bnb_4bit_use_double_quant = true;
        })) {
      return;
    }
    if (!Has(MemoryKind::kCpu) || now.llm_int8_enable_fp32_cpu_offload) return;
    Try("weights in 4 bits, and layers in fp32 on the CPU", [&](PlannerOptions* o) {
      set(o, true);
      o->quantization.llm_int8_enable_fp32_cpu_offload = true;
    });
  }

  void AddCpu() {
    for (uint64_t gb = 16; gb <= 4096; gb *= 2) {
      const std::string text = absl::StrCat("1x", gb, "GB");
      const bool another = !options_.cpus_text.empty();
      if (Try(absl::StrCat(another ? "another" : "a", " CPU with ", gb, " GB"),
              [&](PlannerOptions* o) {
                SetOptimal(o);
                o->cpus_text = another ? absl::StrCat(o->cpus_text, ",", text) : text;
                const auto cpus = ParseDevices(text, MemoryKind::kCpu, "--cpus");
                o->hardware.devices.insert(o->hardware.devices.end(), cpus->begin(), cpus->end());
                NameDevices(&o->hardware.devices);
                if (o->quantization.quantized()) {
                  o->quantization.llm_int8_enable_fp32_cpu_offload = true;
                }
              })) {
        return;
      }
    }
  }

  // More of the first kind of GPU: the least number with which it fits.
  void MoreGpus() {
    const std::string first = options_.gpus_text.substr(0, options_.gpus_text.find(','));
    const size_t x = first.find_first_not_of("0123456789");
    const bool counted = x != 0 && x != std::string::npos && (first[x] == 'x' || first[x] == 'X');
    const std::string kind = counted ? first.substr(x + 1) : first;
    for (int more = 1; more <= kMaxMoreGpus; ++more) {
      const std::string added = absl::StrCat(options_.gpus_text, ",", more, "x", kind);
      const auto gpus = ParseDevices(added, MemoryKind::kGpu, "--gpus");
      if (!gpus.ok()) return;
      if (Try(absl::StrCat(more, " more GPU", more > 1 ? "s" : "", " (", kind, ")"),
              [&](PlannerOptions* o) {
                SetOptimal(o);
                o->gpus_text = added;
                std::vector<HardwareDevice> devices = *gpus;
                for (const HardwareDevice& device : options_.hardware.devices) {
                  if (device.kind == MemoryKind::kCpu) devices.push_back(device);
                }
                o->hardware.devices = std::move(devices);
              })) {
        return;
      }
    }
  }

  const PlannerModel& model_;
  const PlannerOptions& options_;
  const PlanResult& result_;
  std::vector<PlanSuggestion> suggestions_;
};

}  // namespace

std::vector<PlanSuggestion> SuggestChanges(const PlannerModel& model, const PlannerOptions& options,
                                           const PlanResult& result) {
  return Suggester(model, options, result).Run();
}

}  // namespace gantry
