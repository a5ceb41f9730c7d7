#ifndef GANTRY_CLIENT_LOAD_H_
#define GANTRY_CLIENT_LOAD_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "client/client.h"

namespace gantry {

struct LoadOptions {
  int prompt_tokens = 512;   // >= 1
  int max_new_tokens = 128;  // >= 1
  bool ignore_eos = true;    // so that every answer has max_new_tokens
  int concurrency = 1;       // requests under way at any time
  int requests = 8;
  // Prompts are random token ids in [0, vocab_size), all different; the same seed gives the same.
  uint64_t seed = 1;
  int64_t vocab_size = 1000;
  double temperature = 0;
};

// One request as its client saw it; times from when it was sent.
struct RequestTimes {
  absl::Status status;
  std::vector<absl::Duration> tokens;  // when each token arrived
  absl::Duration end;                  // when the stream ended
  int prompt_tokens = 0;               // as the server counted
};

struct LoadResult {
  std::vector<RequestTimes> requests;
  absl::Duration duration;  // from the first request sent to the last one ended
};

// Token ids of request number `index`.
std::vector<int32_t> RandomPrompt(const LoadOptions& options, uint64_t index);

// A closed loop: each of `concurrency` threads sends a request as soon as its last one has ended,
// until all are done. A request that ends with more than max_new_tokens, or with ignore_eos fewer,
// fails with DATA_LOSS, and so does one without a token.
LoadResult RunLoad(const Client& client, const LoadOptions& options, const Clock* clock);

}  // namespace gantry

#endif  // GANTRY_CLIENT_LOAD_H_
