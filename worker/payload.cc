#include "worker/payload.h"

#include <algorithm>

#include "absl/functional/function_ref.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

// Calls visit(piece) for the bytes of the runs, in order, as they lie in the payload.
absl::Status ForEachPiece(const std::vector<grpc::Slice>& payload, absl::Span<const RowRun> runs,
                          size_t row_bytes,
                          absl::FunctionRef<absl::Status(absl::Span<const char>)> visit) {
  size_t slice = 0;
  size_t slice_begin = 0;  // of payload[slice] in the payload
  for (const RowRun& run : runs) {
    size_t at = run.first * row_bytes;
    const size_t end = at + run.count * row_bytes;
    while (at < end) {
      while (slice_begin + payload[slice].size() <= at) slice_begin += payload[slice++].size();
      const size_t within = at - slice_begin;
      const size_t count = std::min(end - at, payload[slice].size() - within);
      const char* bytes = reinterpret_cast<const char*>(payload[slice].begin()) + within;
      GANTRY_RETURN_IF_ERROR(visit(absl::MakeConstSpan(bytes, count)));
      at += count;
    }
  }
  return absl::OkStatus();
}

}  // namespace

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
  size_t to_offset = 0;
  return ForEachPiece(payload, runs, row_bytes, [&](absl::Span<const char> piece) {
    GANTRY_RETURN_IF_ERROR(backend->Upload(piece, to, to_offset));
    to_offset += piece.size();
    return absl::OkStatus();
  });
}

absl::Span<const char> RowConverter::Convert(const std::vector<grpc::Slice>& payload,
                                             absl::Span<const RowRun> runs, int64_t columns,
                                             DType from, DType to) {
  given_.clear();
  // An element may lie across two pieces.
  ForEachPiece(payload, runs, columns * DTypeSize(from), [this](absl::Span<const char> piece) {
    given_.insert(given_.end(), piece.begin(), piece.end());
    return absl::OkStatus();
  }).IgnoreError();
  const size_t count = given_.size() / DTypeSize(from);
  wide_.resize(count);
  ToFloat(from, given_.data(), count, wide_.data());
  made_.resize(count * DTypeSize(to));
  FromFloat(to, wide_.data(), count, made_.data());
  return made_;
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
