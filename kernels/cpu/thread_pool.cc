#include "kernels/cpu/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace gantry {
namespace {

constexpr std::chrono::microseconds kSpin(50);

// The fields of state_.
constexpr uint32_t kInside = (1u << 11) - 1;
constexpr uint32_t kOpen = 1u << 11;
constexpr uint32_t kOneTask = 1u << 12;

uint32_t NumberOf(uint32_t state) { return state / kOneTask; }

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Returns when `value` no longer is `old`.
void AwaitChange(const std::atomic<uint32_t>& value, uint32_t old) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

int AvailableCores() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return std::max(1, CPU_COUNT(&cores));
  return std::max(1u, std::thread::hardware_concurrency());
}

ThreadPool::ThreadPool(int threads) {
  workers_.reserve(threads - 1);
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { Work(i); });
  } catch (const std::system_error& error) {
    LogWarning(absl::StrCat("the system gives only ", workers_.size() + 1, " of ", threads,
                            " threads: ", error.what()));
  }
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  state_.fetch_add(kOneTask, std::memory_order_release);
  state_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::RunPieces(const Task& task, int thread) {
  for (;;) {
    const int64_t begin = next_.fetch_add(task.grain, std::memory_order_relaxed);
    if (begin >= task.count) return;
    task.body(begin, std::min(begin + task.grain, task.count), thread);
  }
}

bool ThreadPool::Enter(uint32_t number) {
  uint32_t state = state_.load(std::memory_order_relaxed);
  do {
    if (NumberOf(state) != number || (state & kOpen) == 0) return false;
  } while (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire,
                                         std::memory_order_relaxed));
  return true;
}

void ThreadPool::Leave() {
  const uint32_t before = state_.fetch_sub(1, std::memory_order_release);
  if ((before & (kOpen | kInside)) == 1) state_.notify_all();
}

void ThreadPool::Work(int thread) {
  uint32_t done = 0;  // number of the last task that was entered or missed
  for (;;) {
    const uint32_t state = state_.load(std::memory_order_acquire);
    if (stop_) return;
    const uint32_t number = NumberOf(state);
    if (number == done) {
      AwaitChange(state_, state);
      continue;
    }
    if (Enter(number)) {
      RunPieces(*task_, thread);
      Leave();
    }
    done = number;
  }
}

void ThreadPool::ParallelFor(int64_t count, int64_t grain,
                             absl::FunctionRef<void(int64_t, int64_t, int)> body) {
  if (count <= 0) return;
  if (workers_.empty() || count <= grain) {
    body(0, count, 0);
    return;
  }
  const Task task{count, grain, body};
  task_ = &task;
  next_.store(0, std::memory_order_relaxed);
  // Nobody is inside, so the fields can be written at once.
  const uint32_t number = NumberOf(state_.load(std::memory_order_relaxed)) + 1;
  state_.store(number * kOneTask | kOpen, std::memory_order_release);
  state_.notify_all();
  RunPieces(task, 0);
  uint32_t state = state_.fetch_and(~kOpen, std::memory_order_acquire) & ~kOpen;
  while ((state & kInside) != 0) {
    AwaitChange(state_, state);
    state = state_.load(std::memory_order_acquire);
  }
}

}  // namespace gantry
