#ifndef GANTRY_KERNELS_CUDA_GRAPH_CACHE_H_
#define GANTRY_KERNELS_CUDA_GRAPH_CACHE_H_

#include <cuda_runtime.h>

#include <compare>
#include <cstdint>
#include <map>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace gantry {

// Recordings of what a step enqueues, replayed when the same step comes again with other data in
// the same places.
class GraphCache {
 public:
  // All that the shape of a step's work depends on.
  struct Key {
    const void* owner = nullptr;
    int rows = 0;
    int logit_rows = 0;
    int context_bound = 0;
    int half_rotary = 0;
    auto operator<=>(const Key&) const = default;
  };

  ~GraphCache() { Clear(); }
  // Calls `enqueue`, which enqueues work on `stream`, the first time; records it the second; and
  // replays the recording from then on.
  absl::Status Run(const Key& key, cudaStream_t stream, absl::FunctionRef<absl::Status()> enqueue);
  void Forget(const void* owner);
  void Clear();

 private:
  struct Entry {
    cudaGraphExec_t graph = nullptr;
    uint64_t last_use = 0;
  };
  absl::Status Record(cudaStream_t stream, absl::FunctionRef<absl::Status()> enqueue,
                      cudaGraphExec_t* graph);
  void DropOldest();

  std::map<Key, Entry> entries_;
  uint64_t uses_ = 0;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_GRAPH_CACHE_H_
