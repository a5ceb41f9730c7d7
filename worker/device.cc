#include "worker/device.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/memory_bandwidth.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/reference/reference_backend.h"
#include "worker/host_memory_info.h"

namespace gantry {
namespace {

constexpr double kOfferedShare = 0.9;

absl::StatusOr<std::unique_ptr<Backend>> MakeBackend(const WorkerOptions& options) {
  if (options.device == "cpu") return MakeCpuBackend({options.threads, options.isa});
  if (options.device == "reference") return MakeReferenceBackend();
  if (options.device == "cuda" || absl::StartsWith(options.device, "cuda:")) {
    return absl::UnimplementedError(
        absl::StrCat("--device=", options.device, ": this program was built without CUDA; ",
                     "this version has no GPU workers yet; take --device=cpu"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--device: expected cpu or cuda:N, found \"", options.device, "\""));
}

}  // namespace

absl::StatusOr<Device> OpenDevice(const WorkerOptions& options) {
  Device device;
  GANTRY_ASSIGN_OR_RETURN(device.backend, MakeBackend(options));
  const bool scalar = options.device == "reference";
  const int threads = scalar ? 1 : options.threads > 0 ? options.threads : AvailableCores();
  const std::string name = device.backend->name();
  v1::DeviceFacts& facts = device.facts;
  facts.set_device("cpu");
  facts.set_threads(threads);
  facts.set_isa(std::string(absl::StripPrefix(name, "cpu-")));
  facts.set_description(absl::StrCat(name, ", ", threads, threads == 1 ? " thread" : " threads"));
  facts.set_memory_bytes(options.memory_bytes);
  if (options.memory_bytes == 0) {
    GANTRY_ASSIGN_OR_RETURN(uint64_t available, AvailableMemory());
    facts.set_memory_bytes(static_cast<uint64_t>(kOfferedShare * static_cast<double>(available)));
  }
  GANTRY_ASSIGN_OR_RETURN(double bandwidth, MeasureReadBandwidth(threads));
  facts.set_read_bytes_per_s(bandwidth);
  return device;
}

}  // namespace gantry
