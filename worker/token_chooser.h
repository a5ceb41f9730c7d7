#ifndef GANTRY_WORKER_TOKEN_CHOOSER_H_
#define GANTRY_WORKER_TOKEN_CHOOSER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/backend.h"
#include "proto/stage.pb.h"
#include "worker/active_slice.h"

namespace gantry {

// What became of one slice's rows of logits.
struct ChosenTokens {
  v1::SliceResult result;
  bool finite = true;  // false: the logits held a NaN or an infinity, and the result means nothing
};

// One element for each slice: a token sampled from its row, or, when scoring, the log-probability
// of the token that follows in each row (of none where nothing follows). `logits` holds the slices'
// rows, [rows, vocab]; each slice has at least one.
absl::StatusOr<std::vector<ChosenTokens>> ChooseTokens(absl::Span<const ActiveSlice> slices,
                                                       const Buffer& logits, int64_t vocab,
                                                       Backend* backend);

}  // namespace gantry

#endif  // GANTRY_WORKER_TOKEN_CHOOSER_H_
