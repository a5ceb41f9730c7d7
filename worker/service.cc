#include "worker/service.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "proto/status.h"
#include "worker/load_progress.h"

namespace gantry {
namespace {

constexpr absl::Duration kReportEvery = absl::Milliseconds(200);
// The caller may have heard of the epoch before this worker has.
constexpr absl::Duration kEpochTimeout = absl::Seconds(10);

absl::StatusOr<uint64_t> EpochOf(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find(kEpochMetadata);
  uint64_t epoch;
  if (found == context.client_metadata().end() ||
      !absl::SimpleAtoi(absl::string_view(found->second.data(), found->second.size()), &epoch)) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata ", kEpochMetadata, ": expected the number of the epoch"));
  }
  return epoch;
}

// Says no to the caller and to the log.
grpc::Status Refuse(const grpc::ServerContext& context, absl::string_view method,
                    const absl::Status& status) {
  LogWarning(absl::StrCat(method, " from ", context.peer(), " refused: ", status.ToString()));
  return ToGrpcStatus(status);
}

}  // namespace

grpc::Status WorkerService::Load(grpc::ServerContext* context, const v1::LoadRequest* request,
                                 grpc::ServerWriter<v1::LoadProgress>* writer) {
  if (absl::Status role = credentials_->RequireRole(*context, kCoordinatorRole); !role.ok()) {
    return Refuse(*context, "Load", role);
  }
  const absl::Status loaded = LoadAndReport(context, *request, writer);
  return loaded.ok() ? grpc::Status::OK : Refuse(*context, "Load", loaded);
}

absl::Status WorkerService::LoadAndReport(grpc::ServerContext* context,
                                          const v1::LoadRequest& request,
                                          grpc::ServerWriter<v1::LoadProgress>* writer) {
  const Clock* clock = Clock::Real();
  LoadProgress shown(isatty(STDERR_FILENO) != 0, clock);
  absl::Duration reported = clock->Now();
  v1::LoadProgress progress;
  auto on_progress = [&](uint64_t loaded, uint64_t total) {
    shown.Update(loaded, total);
    progress.set_bytes_loaded(loaded);
    progress.set_bytes_total(total);
    if (context->IsCancelled()) return absl::CancelledError("the coordinator gave up the load");
    const absl::Duration now = clock->Now();
    if (now - reported >= kReportEvery) {
      reported = now;
      writer->Write(progress);
    }
    return absl::OkStatus();
  };
  GANTRY_ASSIGN_OR_RETURN(const uint64_t measured, host_->Load(request, on_progress));
  progress.set_done(true);
  progress.set_measured_bytes(measured);
  writer->Write(progress);
  return absl::OkStatus();
}

grpc::Status WorkerService::Unload(grpc::ServerContext* context, const v1::UnloadRequest* request,
                                   v1::UnloadResponse* response) {
  absl::Status status = credentials_->RequireRole(*context, kCoordinatorRole);
  if (status.ok()) status = host_->UnloadEpoch(request->epoch());
  return status.ok() ? grpc::Status::OK : Refuse(*context, "Unload", status);
}

grpc::Status WorkerService::RunSteps(grpc::ServerContext* context, StepReader* stream) {
  absl::Status status = credentials_->RequireRole(*context, kCoordinatorRole);
  if (!status.ok()) status = credentials_->RequireRole(*context, kWorkerRole);
  if (status.ok()) status = TakeFrames(context, stream);
  return status.ok() ? grpc::Status::OK : Refuse(*context, "Run", status);
}

absl::Status WorkerService::TakeFrames(grpc::ServerContext* context, StepReader* stream) {
  GANTRY_ASSIGN_OR_RETURN(const uint64_t number, EpochOf(*context));
  GANTRY_ASSIGN_OR_RETURN(const std::shared_ptr<Epoch> epoch,
                          host_->FindEpoch(number, kEpochTimeout));
  if (!stream->Write(StepFrame())) return absl::OkStatus();
  StepFrame frame;
  while (stream->Read(&frame)) {
    GANTRY_RETURN_IF_ERROR(epoch->Submit(std::exchange(frame, StepFrame())));
  }
  return absl::OkStatus();
}

}  // namespace gantry
