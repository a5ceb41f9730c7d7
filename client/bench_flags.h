#ifndef GANTRY_CLIENT_BENCH_FLAGS_H_
#define GANTRY_CLIENT_BENCH_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/load.h"
#include "proto/inference.pb.h"

namespace gantry {

// The text before the flags in `bench --help`.
extern const char kBenchUsage[];

struct BenchOptions {
  LoadOptions load;  // of every level, but for concurrency and requests
  std::vector<int> concurrency;
  int requests = 0;  // 0: the larger of 8 and four times the concurrency
  int warmup = 1;    // requests before each level that do not count
  bool json = false;
  std::string output;  // a file for the JSON, too; empty: none
};

// INVALID_ARGUMENT naming the flag.
absl::StatusOr<BenchOptions> BenchOptionsFromFlags();

// Takes the vocabulary from the server. INVALID_ARGUMENT when its context has no room for prompt
// and answer.
absl::Status FitToServer(const v1::GetStatusResponse& status, BenchOptions* options);

// The load of one level.
LoadOptions LevelOptions(const BenchOptions& options, int concurrency);

}  // namespace gantry

#endif  // GANTRY_CLIENT_BENCH_FLAGS_H_
