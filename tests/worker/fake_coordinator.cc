#include "tests/worker/fake_coordinator.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace gantry {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(1);

template <typename T>
T Take(absl::Mutex* mutex, std::deque<T>* queue) {
  absl::MutexLock lock(mutex);
  auto filled = [queue] { return !queue->empty(); };
  if (!mutex->AwaitWithTimeout(absl::Condition(&filled), kPatience)) {
    std::cerr << "nothing came within a minute" << std::endl;
    std::abort();
  }
  T value = std::move(queue->front());
  queue->pop_front();
  return value;
}

}  // namespace

FakeCoordinator::FakeCoordinator(const grpc::Status& refusal) : refusal_(refusal) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&registry_);
  builder.RegisterService(&results_);
  server_ = builder.BuildAndStart();
  endpoint_.set_address(absl::StrCat("127.0.0.1:", port));
}

FakeCoordinator::~FakeCoordinator() { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

v1::WorkerMessage FakeCoordinator::NextMessage() { return Take(&mutex_, &messages_); }

v1::WorkerMessage FakeCoordinator::NextMessage(v1::WorkerMessage::MessageCase kind) {
  while (true) {
    v1::WorkerMessage message = NextMessage();
    if (message.message_case() == kind) return message;
  }
}

v1::StepHeader FakeCoordinator::NextResults() { return Take(&mutex_, &steps_); }

void FakeCoordinator::EndStreams() {
  absl::MutexLock lock(&mutex_);
  for (grpc::ServerContext* context : joins_) context->TryCancel();
}

grpc::Status FakeCoordinator::RegistryService::Join(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::CoordinatorMessage, v1::WorkerMessage>* stream) {
  {
    absl::MutexLock lock(&owner_->mutex_);
    owner_->joins_.push_back(context);
  }
  v1::WorkerMessage message;
  while (stream->Read(&message)) {
    if (message.has_hello() && owner_->refusal_.ok()) {
      v1::CoordinatorMessage welcome;
      welcome.mutable_welcome()->set_lease_s(0.2);
      stream->Write(welcome);
    }
    {
      absl::MutexLock lock(&owner_->mutex_);
      owner_->messages_.push_back(message);
    }
    if (!owner_->refusal_.ok() || message.has_goodbye()) break;
  }
  absl::MutexLock lock(&owner_->mutex_);
  owner_->joins_.erase(std::find(owner_->joins_.begin(), owner_->joins_.end(), context));
  return owner_->refusal_;
}

grpc::Status FakeCoordinator::Results::RunSteps(grpc::ServerContext* context, StepReader* stream) {
  stream->Write(StepFrame());
  StepFrame frame;
  while (stream->Read(&frame)) {
    absl::MutexLock lock(&owner_->mutex_);
    owner_->steps_.push_back(frame.header);
  }
  return grpc::Status::OK;
}

}  // namespace gantry
