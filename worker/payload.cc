#include "worker/payload.h"

#include <algorithm>

#include "base/status_macros.h"

namespace gantry {

void AppendRun(RowRun run, std::vector<RowRun>* runs) {
  if (run.count == 0) return;
  if (!runs->empty() && runs->back().first + runs->back().count == run.first) {
    runs->back().count += run.count;
  } else {
    runs->push_back(run);
  }
}

absl::Status UploadRows(const std::vector<grpc::Slice>& payload, absl::Span<const RowRun> runs,
                        size_t row_bytes, Backend* backend, Buffer* to) {
  size_t slice = 0;
  size_t slice_begin = 0;  // of payload[slice] in the payload
  size_t to_offset = 0;
  for (const RowRun& run : runs) {
    size_t at = run.first * row_bytes;
    const size_t end = at + run.count * row_bytes;
    while (at < end) {
      while (slice_begin + payload[slice].size() <= at) slice_begin += payload[slice++].size();
      const size_t within = at - slice_begin;
      const size_t count = std::min(end - at, payload[slice].size() - within);
      const char* bytes = reinterpret_cast<const char*>(payload[slice].begin()) + within;
      GANTRY_RETURN_IF_ERROR(backend->Upload(absl::MakeConstSpan(bytes, count), to, to_offset));
      to_offset += count;
      at += count;
    }
  }
  return absl::OkStatus();
}

absl::Status DownloadRows(const Buffer& from, absl::Span<const RowRun> runs, size_t row_bytes,
                          Backend* backend, StepFrame* frame) {
  int64_t rows = 0;
  for (const RowRun& run : runs) rows += run.count;
  if (rows == 0) {
    frame->payload.clear();
    return absl::OkStatus();
  }
  char* out = frame->AllocatePayload(rows * row_bytes);
  for (const RowRun& run : runs) {
    const size_t bytes = run.count * row_bytes;
    GANTRY_RETURN_IF_ERROR(
        backend->Download(from, run.first * row_bytes, absl::MakeSpan(out, bytes)));
    out += bytes;
  }
  return absl::OkStatus();
}

}  // namespace gantry
