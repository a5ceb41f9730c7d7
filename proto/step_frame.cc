#include "proto/step_frame.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace gantry {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr uint32_t kHeaderTag =
    v1::StepFrame::kHeaderFieldNumber << 3 | WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
constexpr uint32_t kPayloadTag =
    v1::StepFrame::kPayloadFieldNumber << 3 | WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
static_assert(kHeaderTag < 128 && kPayloadTag < 128, "each tag is one byte");
constexpr int kMaxVarintBytes = 10;
constexpr int kRunMethod = 2;  // Load, Unload, Run

void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

// Reads through slices in order.
class SliceCursor {
 public:
  explicit SliceCursor(const std::vector<grpc::Slice>& slices) : slices_(slices) {
    for (const grpc::Slice& slice : slices) remaining_ += slice.size();
  }
  size_t remaining() const { return remaining_; }

  bool ReadVarint(uint64_t* value) {
    *value = 0;
    for (int i = 0; i < kMaxVarintBytes; ++i) {
      uint8_t byte;
      if (!Take(1,
                [&](const grpc::Slice& slice, size_t at, size_t) { byte = slice.begin()[at]; })) {
        return false;
      }
      *value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool ReadString(size_t length, std::string* out) {
    out->clear();
    return Take(length, [out](const grpc::Slice& slice, size_t at, size_t count) {
      out->append(reinterpret_cast<const char*>(slice.begin()) + at, count);
    });
  }

  bool ReadSlices(size_t length, std::vector<grpc::Slice>* out) {
    out->clear();
    return Take(length, [out](const grpc::Slice& slice, size_t at, size_t count) {
      out->push_back(slice.sub(at, at + count));
    });
  }

  bool Skip(size_t length) {
    return Take(length, [](const grpc::Slice&, size_t, size_t) {});
  }

 private:
  template <typename Function>
  bool Take(size_t length, Function function) {
    if (length > remaining_) return false;
    remaining_ -= length;
    while (length > 0) {
      const grpc::Slice& slice = slices_[slice_];
      const size_t count = std::min(length, slice.size() - offset_);
      if (count > 0) function(slice, offset_, count);
      offset_ += count;
      length -= count;
      if (offset_ == slice.size()) {
        ++slice_;
        offset_ = 0;
      }
    }
    return true;
  }

  const std::vector<grpc::Slice>& slices_;
  size_t slice_ = 0;
  size_t offset_ = 0;
  size_t remaining_ = 0;
};

bool SkipField(uint64_t tag, SliceCursor* cursor) {
  uint64_t value;
  switch (tag & 7) {
    case WireFormatLite::WIRETYPE_VARINT:
      return cursor->ReadVarint(&value);
    case WireFormatLite::WIRETYPE_FIXED64:
      return cursor->Skip(8);
    case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
      return cursor->ReadVarint(&value) && cursor->Skip(value);
    case WireFormatLite::WIRETYPE_FIXED32:
      return cursor->Skip(4);
    default:
      return false;
  }
}

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed step frame: ", what));
}

}  // namespace

size_t StepFrame::payload_bytes() const {
  size_t bytes = 0;
  for (const grpc::Slice& slice : payload) bytes += slice.size();
  return bytes;
}

char* StepFrame::AllocatePayload(size_t bytes) {
  payload.clear();
  payload.emplace_back(bytes);
  return reinterpret_cast<char*>(const_cast<uint8_t*>(payload.back().begin()));
}

std::vector<grpc::Slice> EncodeStepFrame(const StepFrame& frame) {
  std::string front;
  AppendVarint(kHeaderTag, &front);
  AppendVarint(frame.header.ByteSizeLong(), &front);
  frame.header.AppendToString(&front);
  if (const size_t bytes = frame.payload_bytes(); bytes > 0) {
    AppendVarint(kPayloadTag, &front);
    AppendVarint(bytes, &front);
  }
  std::vector<grpc::Slice> slices;
  slices.reserve(1 + frame.payload.size());
  slices.emplace_back(front);
  slices.insert(slices.end(), frame.payload.begin(), frame.payload.end());
  return slices;
}

absl::Status DecodeStepFrame(const std::vector<grpc::Slice>& slices, StepFrame* frame) {
  frame->header.Clear();
  frame->payload.clear();
  SliceCursor cursor(slices);
  while (cursor.remaining() > 0) {
    uint64_t tag;
    uint64_t length;
    if (!cursor.ReadVarint(&tag)) return Malformed("it ends within a tag");
    if (tag == kHeaderTag) {
      std::string bytes;
      if (!cursor.ReadVarint(&length) || length > kMaxStepHeaderBytes ||
          !cursor.ReadString(length, &bytes)) {
        return Malformed("the header is longer than the frame or its limit");
      }
      if (!frame->header.ParseFromString(bytes)) return Malformed("the header does not parse");
    } else if (tag == kPayloadTag) {
      if (!cursor.ReadVarint(&length) || !cursor.ReadSlices(length, &frame->payload)) {
        return Malformed("the payload is longer than the frame");
      }
    } else if (!SkipField(tag, &cursor)) {
      return Malformed(absl::StrCat("cannot skip the field with tag ", tag));
    }
  }
  return absl::OkStatus();
}

std::unique_ptr<StepWriter> OpenSteps(grpc::Channel* channel, grpc::ClientContext* context) {
  static const std::string* const name =
      new std::string(absl::StrCat("/", v1::Stage::service_full_name(), "/Run"));
  const grpc::internal::RpcMethod method(name->c_str(), grpc::internal::RpcMethod::BIDI_STREAMING);
  return std::unique_ptr<StepWriter>(
      grpc::internal::ClientReaderWriterFactory<StepFrame, StepFrame>::Create(channel, method,
                                                                              context));
}

StepService::StepService() {
  // The generated service would parse Run's messages into v1::StepFrame, payload and all.
  MarkMethodStreamed(
      kRunMethod, new grpc::internal::BidiStreamingHandler<StepService, StepFrame, StepFrame>(
                      [](StepService* service, grpc::ServerContext* context, StepReader* stream) {
                        return service->RunSteps(context, stream);
                      },
                      this));
}

}  // namespace gantry

namespace grpc {

Status SerializationTraits<gantry::StepFrame>::Serialize(const gantry::StepFrame& frame,
                                                         ByteBuffer* buffer, bool* own_buffer) {
  const std::vector<Slice> slices = gantry::EncodeStepFrame(frame);
  *buffer = ByteBuffer(slices.data(), slices.size());
  *own_buffer = true;
  return Status::OK;
}

Status SerializationTraits<gantry::StepFrame>::Deserialize(ByteBuffer* buffer,
                                                           gantry::StepFrame* frame) {
  std::vector<Slice> slices;
  Status dumped = buffer->Dump(&slices);
  buffer->Clear();
  if (!dumped.ok()) return dumped;
  const absl::Status decoded = gantry::DecodeStepFrame(slices, frame);
  if (decoded.ok()) return Status::OK;
  return Status(StatusCode::INVALID_ARGUMENT, std::string(decoded.message()));
}

}  // namespace grpc
