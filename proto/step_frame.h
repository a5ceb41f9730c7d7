#ifndef GANTRY_PROTO_STEP_FRAME_H_
#define GANTRY_PROTO_STEP_FRAME_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "grpcpp/grpcpp.h"
#include "proto/stage.grpc.pb.h"
#include "proto/stage.pb.h"

namespace gantry {

// gantry.v1.StepFrame as it goes through gRPC: the header parsed, the payload as the slices in
// which it arrived or will leave. The bytes on the wire are those of the protobuf message; the
// payload is never copied on its way between the socket and these slices.
struct StepFrame {
  v1::StepHeader header;
  std::vector<grpc::Slice> payload;

  size_t payload_bytes() const;
  // Replaces the payload by one slice of `bytes` and returns where to write it.
  char* AllocatePayload(size_t bytes);
};

inline constexpr size_t kMaxStepHeaderBytes = 64 << 20;
inline constexpr int kMaxStepFrameBytes = 1 << 30;

// The message's bytes, sharing the payload's slices.
std::vector<grpc::Slice> EncodeStepFrame(const StepFrame& frame);
// INVALID_ARGUMENT for bytes that are no StepFrame. Fields other than the two are skipped.
absl::Status DecodeStepFrame(const std::vector<grpc::Slice>& slices, StepFrame* frame);

using StepWriter = grpc::ClientReaderWriter<StepFrame, StepFrame>;
using StepReader = grpc::ServerReaderWriter<StepFrame, StepFrame>;

// Stage.Run from the caller's side. `context` outlives the stream.
std::unique_ptr<StepWriter> OpenSteps(grpc::Channel* channel, grpc::ClientContext* context);

// Stage with Run served by RunSteps.
class StepService : public v1::Stage::Service {
 public:
  StepService();
  virtual grpc::Status RunSteps(grpc::ServerContext* context, StepReader* stream) = 0;
};

// Among a slice's token_ids: the token that the stage sampled last for the sequence.
inline constexpr int32_t kSampledToken = -1;

inline constexpr char kEpochMetadata[] = "gantry-epoch";

}  // namespace gantry

namespace grpc {

template <>
class SerializationTraits<gantry::StepFrame> {
 public:
  static Status Serialize(const gantry::StepFrame& frame, ByteBuffer* buffer, bool* own_buffer);
  static Status Deserialize(ByteBuffer* buffer, gantry::StepFrame* frame);
};

}  // namespace grpc

#endif  // GANTRY_PROTO_STEP_FRAME_H_
