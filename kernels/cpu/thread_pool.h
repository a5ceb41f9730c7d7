#ifndef GANTRY_KERNELS_CPU_THREAD_POOL_H_
#define GANTRY_KERNELS_CPU_THREAD_POOL_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace gantry {

// Cores that this process may run on.
int AvailableCores();

// Threads that share the work of one op. A worker that has nothing to do spins for some tens of
// microseconds, about the time between two ops, and then sleeps. One ParallelFor at a time.
class ThreadPool {
 public:
  // Requires threads >= 1; the thread that calls ParallelFor is one of them. Makes do with fewer,
  // and logs a warning, if the system refuses some.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  // Calls body(begin, end, thread) for pieces that cover [0, count), of `grain` if there are
  // several threads. `thread` in [0, threads()) is for scratch memory. Who gets what is a matter of
  // chance.
  void ParallelFor(int64_t count, int64_t grain,
                   absl::FunctionRef<void(int64_t begin, int64_t end, int thread)> body);

 private:
  struct Task {
    int64_t count;
    int64_t grain;
    absl::FunctionRef<void(int64_t, int64_t, int)> body;
  };
  void Work(int thread);
  void RunPieces(const Task& task, int thread);
  // Joins the task of that number; false when it is not open any more.
  bool Enter(uint32_t number);
  void Leave();

  std::vector<std::thread> workers_;
  std::atomic<bool> stop_{false};
  const Task* task_ = nullptr;  // valid while the task is open or somebody is in it
  // Number of the task (counting around), whether it is open, and how many workers are in it. Only
  // those who have entered are waited for: one that the system does not let run delays nobody.
  alignas(64) std::atomic<uint32_t> state_{0};
  alignas(64) std::atomic<int64_t> next_{0};
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_THREAD_POOL_H_
