#ifndef GANTRY_COORDINATOR_REQUEST_RECORD_H_
#define GANTRY_COORDINATOR_REQUEST_RECORD_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/inference.pb.h"

namespace gantry {

// A request as observers of the engine are told of it: whose it is, what came of it and when, all
// its answers together. Times are on the engine's clock.
struct RequestRecord {
  uint64_t number = 0;  // the engine's; no other has it
  std::string id;       // as logs and traces name it
  std::string client;
  int n = 1;  // answers
  int64_t prompt_tokens = 0;
  int64_t shared_tokens = 0;      // of the prompt, that were not computed again
  int64_t completion_tokens = 0;  // of all answers, without those of Request::begun
  int preemptions = 0;
  int recoveries = 0;  // epochs that it went on in
  absl::Duration arrived;
  absl::Duration started = absl::InfiniteDuration();      // its first step
  absl::Duration first_token = absl::InfiniteDuration();  // of any answer
  absl::Duration last_token = absl::InfiniteDuration();
  absl::Duration ended = absl::InfiniteDuration();
  // Of answers that have finished: unspecified of a score, length when one of several was cut.
  v1::FinishReason reason = v1::FINISH_REASON_UNSPECIFIED;
};

// How long it waited for its first step, then for its first token, then for its last.
struct RequestTimes {
  absl::Duration queue;
  absl::Duration prefill;
  absl::Duration decode;
};

// Up to `now` where it has not ended, and to its end where it did not finish.
RequestTimes TimesOf(const RequestRecord& record, absl::Duration now, bool finished);

// "stop", "length" or "score" if `status` is OK, and otherwise "abort" (cancelled or late),
// "reject" (there was no room in the queue) or "error". Like finished_reason of vLLM's metrics.
absl::string_view FinishedReason(const RequestRecord& record, const absl::Status& status);
// Why it failed, in a few hundred bytes of UTF-8: a worker may have written it.
std::string ErrorOf(const absl::Status& status);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_REQUEST_RECORD_H_
