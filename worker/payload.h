#ifndef GANTRY_WORKER_PAYLOAD_H_
#define GANTRY_WORKER_PAYLOAD_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/dtype.h"
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

// Rows of a payload in another type. Its memory is kept from step to step.
class RowConverter {
 public:
  // The runs of rows of `columns` elements, one behind the other, from one of F32, BF16 and F16 to
  // another. Valid until the next call.
  absl::Span<const char> Convert(const std::vector<grpc::Slice>& payload,
                                 absl::Span<const RowRun> runs, int64_t columns, DType from,
                                 DType to);

 private:
  std::vector<char> given_;
  std::vector<float> wide_;
  std::vector<char> made_;
};

// The other way: the payload becomes the runs of the buffer's rows.
absl::Status DownloadRows(const Buffer& from, absl::Span<const RowRun> runs, size_t row_bytes,
                          Backend* backend, StepFrame* frame);

}  // namespace gantry

#endif  // GANTRY_WORKER_PAYLOAD_H_
