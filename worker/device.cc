#include "worker/device.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/memory_bandwidth.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/reference/reference_backend.h"
#include "worker/host_memory_info.h"

namespace gantry {
namespace {

constexpr double kOfferedShare = 0.9;

absl::StatusOr<std::unique_ptr<Backend>> MakeHostBackend(const WorkerOptions& options) {
  if (options.device == "cpu") return MakeCpuBackend({options.threads, options.isa});
  if (options.device == "reference") return MakeReferenceBackend();
  return absl::InvalidArgumentError(
      absl::StrCat("--device: expected cpu or cuda:N, found \"", options.device, "\""));
}

absl::StatusOr<Device> OpenGpu(int index, const WorkerOptions& options) {
  GANTRY_ASSIGN_OR_RETURN(const CudaDeviceInfo info, DescribeCudaDevice(index));
  Device device;
  device.chooses_types = true;
  GANTRY_ASSIGN_OR_RETURN(device.backend, MakeCudaBackend(index));
  v1::DeviceFacts& facts = device.facts;
  facts.set_device(absl::StrCat("cuda:", index));
  facts.set_description(absl::StrCat(info.name, ", compute capability ", info.major, ".",
                                     info.minor, ", ", FormatBytes(info.total_bytes)));
  facts.set_memory_bytes(
      options.memory_bytes > 0
          ? options.memory_bytes
          : static_cast<uint64_t>(kOfferedShare * static_cast<double>(info.free_bytes)));
  facts.set_read_bytes_per_s(info.read_bytes_per_s);
  return device;
}

}  // namespace

absl::StatusOr<Device> OpenDevice(const WorkerOptions& options) {
  absl::string_view gpu = options.device;
  if (gpu == "cuda") gpu = "cuda:0";
  if (int index = 0;
      absl::ConsumePrefix(&gpu, "cuda:") && absl::SimpleAtoi(gpu, &index) && index >= 0) {
    absl::StatusOr<Device> device = OpenGpu(index, options);
    if (!device.ok()) return Annotate(device.status(), "--device");
    return device;
  }
  Device device;
  GANTRY_ASSIGN_OR_RETURN(device.backend, MakeHostBackend(options));
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
