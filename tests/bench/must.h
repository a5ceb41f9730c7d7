#ifndef GANTRY_TESTS_BENCH_MUST_H_
#define GANTRY_TESTS_BENCH_MUST_H_

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gantry {

// For benchmarks, which have nobody to give an error to: print it and end the program.
inline void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}
template <typename T>
T Must(absl::StatusOr<T> value) {
  Must(value.status());
  return *std::move(value);
}

// Seconds.
inline double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace gantry

#endif  // GANTRY_TESTS_BENCH_MUST_H_
