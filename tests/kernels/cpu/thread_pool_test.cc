#include "kernels/cpu/thread_pool.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace gantry {
namespace {

TEST(ThreadPoolTest, CoversEveryIndexOnce) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int64_t count : {0, 1, 2, 7, 100}) {
      for (int64_t grain : {1, 3, 200}) {
        std::vector<std::atomic<int>> seen(count);
        pool.ParallelFor(count, grain, [&](int64_t begin, int64_t end, int thread) {
          EXPECT_GE(thread, 0);
          EXPECT_LT(thread, threads);
          for (int64_t i = begin; i < end; ++i) ++seen[i];
        });
        for (const auto& times : seen) EXPECT_EQ(times.load(), 1);
      }
    }
  }
}

TEST(ThreadPoolTest, WhatAllThreadsWroteIsSeenAfterwards) {
  ThreadPool pool(4);
  std::vector<int64_t> values(1000);
  for (int round = 0; round < 2000; ++round) {
    pool.ParallelFor(values.size(), 10, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) values[i] += i;
    });
  }
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], 2000 * static_cast<int64_t>(i));
}

TEST(ThreadPoolTest, AllThreadsTakePart) {
  ThreadPool pool(3);
  // Nobody leaves before all three are in: this ends only if three threads run pieces.
  std::atomic<int> inside{0};
  pool.ParallelFor(3, 1, [&](int64_t, int64_t, int) {
    ++inside;
    while (inside.load() < 3) std::this_thread::yield();
  });
  EXPECT_EQ(inside.load(), 3);
}

TEST(ThreadPoolTest, ThreadNumbersAreNotSharedAtATime) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> users(4);
  for (int round = 0; round < 200; ++round) {
    pool.ParallelFor(64, 1, [&](int64_t, int64_t, int thread) {
      EXPECT_EQ(users[thread].fetch_add(1), 0);
      users[thread].fetch_sub(1);
    });
  }
}

TEST(ThreadPoolTest, PoolsCanBeMadeAndDroppedWithoutWork) {
  for (int i = 0; i < 50; ++i) ThreadPool pool(3);
  EXPECT_GE(AvailableCores(), 1);
}

}  // namespace
}  // namespace gantry
