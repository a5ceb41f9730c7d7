#include "coordinator/result_service.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "proto/status.h"

namespace gantry {

grpc::Status ResultService::RunSteps(grpc::ServerContext* context, StepReader* stream) {
  const absl::Status role = credentials_->RequireRole(*context, kWorkerRole);
  if (!role.ok()) {
    LogWarning(absl::StrCat("refused results from ", context->peer(), ": ", role.message()));
    return ToGrpcStatus(role);
  }
  uint64_t epoch = 0;
  const auto found = context->client_metadata().find(kEpochMetadata);
  if (found == context->client_metadata().end() ||
      !absl::SimpleAtoi(absl::string_view(found->second.data(), found->second.size()), &epoch)) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                        "the metadata gantry-epoch: expected a number");
  }
  if (!cluster_->WantsResults(epoch)) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                        absl::StrCat("epoch ", epoch, " is not in force"));
  }
  StepFrame frame;
  if (!stream->Write(frame)) return grpc::Status::CANCELLED;
  while (stream->Read(&frame)) {
    // A stream speaks for the epoch that it was opened for and no other.
    if (frame.header.epoch() != epoch) {
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "a result of another epoch");
    }
    engine_->OnResult(std::move(frame.header));
    if (!cluster_->WantsResults(epoch)) break;
  }
  cluster_->OnResultsEnded(epoch);
  return grpc::Status::OK;
}

}  // namespace gantry
