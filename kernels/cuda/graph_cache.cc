#include "kernels/cuda/graph_cache.h"

#include <algorithm>

#include "base/status_macros.h"
#include "kernels/cuda/cuda_status.h"

namespace gantry {
namespace {

// A recording of 80 layers takes a few megabytes on the device.
constexpr size_t kMostEntries = 96;

}  // namespace

absl::Status GraphCache::Run(const Key& key, cudaStream_t stream,
                             absl::FunctionRef<absl::Status()> enqueue) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    if (entries_.size() >= kMostEntries) DropOldest();
    // Only what has run is recorded: the first run allocates what is missing.
    const absl::Status done = enqueue();
    if (done.ok()) entries_[key].last_use = ++uses_;
    return done;
  }
  Entry& entry = found->second;
  entry.last_use = ++uses_;
  if (entry.graph == nullptr) GANTRY_RETURN_IF_ERROR(Record(stream, enqueue, &entry.graph));
  return CudaStatus(cudaGraphLaunch(entry.graph, stream), "replaying a step");
}

absl::Status GraphCache::Record(cudaStream_t stream, absl::FunctionRef<absl::Status()> enqueue,
                                cudaGraphExec_t* exec) {
  GANTRY_RETURN_IF_CUDA_ERROR(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal),
                              "recording a step");
  const absl::Status enqueued = enqueue();
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
  absl::Status status = enqueued.ok() ? CudaStatus(ended, "recording a step") : enqueued;
  if (status.ok()) {
    status = CudaStatus(cudaGraphInstantiate(exec, graph, 0), "preparing a recorded step");
  }
  if (graph != nullptr) cudaGraphDestroy(graph);
  return status;
}

void GraphCache::DropOldest() {
  const auto oldest = std::min_element(
      entries_.begin(), entries_.end(),
      [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; });
  if (oldest->second.graph != nullptr) cudaGraphExecDestroy(oldest->second.graph);
  entries_.erase(oldest);
}

void GraphCache::Forget(const void* owner) {
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (it->first.owner != owner) {
      ++it;
      continue;
    }
    if (it->second.graph != nullptr) cudaGraphExecDestroy(it->second.graph);
    it = entries_.erase(it);
  }
}

void GraphCache::Clear() {
  for (auto& [key, entry] : entries_) {
    if (entry.graph != nullptr) cudaGraphExecDestroy(entry.graph);
  }
  entries_.clear();
}

}  // namespace gantry
