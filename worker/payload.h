#ifndef GANTRY_WORKER_PAYLOAD_H_
#define GANTRY_WORKER_PAYLOAD_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/backend.h"
#include "proto/step_frame.h"

namespace gantry {

// Rows [first, first + count) of a payload or a buffer.
struct RowRun {
  int64_t first = 0;
  int64_t count = 0;
};

// Adds the run, joined with the last one if it follows it.
void AppendRun(RowRun run, std::vector<RowRun>* runs);

// Puts the runs of the payload's rows one behind the other into `to`. Requires runs in ascending
// order within the payload.
absl::Status UploadRows(const std::vector<grpc::Slice>& payload, absl::Span<const RowRun> runs,
                        size_t row_bytes, Backend* backend, Buffer* to);

// The other way: the payload becomes the runs of the buffer's rows.
absl::Status DownloadRows(const Buffer& from, absl::Span<const RowRun> runs, size_t row_bytes,
                          Backend* backend, StepFrame* frame);

}  // namespace gantry

#endif  // GANTRY_WORKER_PAYLOAD_H_
