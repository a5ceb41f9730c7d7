#ifndef GANTRY_WORKER_DEVICE_H_
#define GANTRY_WORKER_DEVICE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "proto/registry.pb.h"
#include "worker/options.h"

namespace gantry {

struct Device {
  std::unique_ptr<Backend> backend;
  v1::DeviceFacts facts;
  // Takes other types of activations, keys and values than float32.
  bool chooses_types = false;
};

// Opens the device that the options name and measures it. UNIMPLEMENTED for a kind that this build
// lacks, INVALID_ARGUMENT for one that nobody knows, NOT_FOUND for a GPU that is not there.
absl::StatusOr<Device> OpenDevice(const WorkerOptions& options);

}  // namespace gantry

#endif  // GANTRY_WORKER_DEVICE_H_
