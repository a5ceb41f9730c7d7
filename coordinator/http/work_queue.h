#ifndef GANTRY_COORDINATOR_HTTP_WORK_QUEUE_H_
#define GANTRY_COORDINATOR_HTTP_WORK_QUEUE_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace gantry {

// Threads for what takes longer than a server's one thread may: reading and tokenising megabytes.
// Thread-safe.
class WorkQueue {
 public:
  explicit WorkQueue(int threads);
  // Finishes what is under way and drops the rest.
  ~WorkQueue();
  void Add(std::function<void()> work);

 private:
  void Run();
  absl::Mutex mutex_;
  std::deque<std::function<void()>> work_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_WORK_QUEUE_H_
