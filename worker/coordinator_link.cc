#include "worker/coordinator_link.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "proto/channel.h"
#include "proto/status.h"

namespace gantry {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(2);
constexpr int kConnectSlices = 20;
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(2);
constexpr absl::Duration kLogEvery = absl::Seconds(10);
constexpr absl::Duration kGoodbye = absl::Milliseconds(300);
constexpr absl::Duration kDefaultLease = absl::Seconds(4);
constexpr int kProgressPerLease = 4;

// What no waiting will change.
bool IsRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kAlreadyExists:
      return true;
    default:
      return false;
  }
}

using JoinStream = grpc::ClientReaderWriter<v1::WorkerMessage, v1::CoordinatorMessage>;

}  // namespace

bool CoordinatorLink::has_joined() const {
  absl::MutexLock lock(&mutex_);
  return has_joined_;
}

void CoordinatorLink::Leave() {
  absl::MutexLock lock(&mutex_);
  leaving_ = true;
}

void CoordinatorLink::ReportFault(uint64_t epoch, const std::string& message) {
  v1::Fault fault;
  fault.set_epoch(epoch);
  fault.set_message(message);
  absl::MutexLock lock(&mutex_);
  faults_.push_back(std::move(fault));
}

bool CoordinatorLink::Pause(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&leaving_), duration);
}

absl::Status CoordinatorLink::Run() {
  absl::Duration pause = kFirstPause;
  absl::Duration logged = Clock::Real()->Now() - kLogEvery;
  while (true) {
    const absl::Duration begin = Clock::Real()->Now();
    const absl::Status ended = Join();
    bool joined;
    {
      absl::MutexLock lock(&mutex_);
      if (leaving_) return absl::OkStatus();
      joined = has_joined_;
      faults_.clear();
    }
    // After a broken connection the coordinator may hold the old stream for alive a while longer.
    const bool may_pass = joined && absl::IsAlreadyExists(ended);
    if (IsRefusal(ended) && !may_pass) return ended;
    const absl::Duration now = Clock::Real()->Now();
    if (now - logged >= kLogEvery) {
      LogWarning(absl::StrCat("not joined to the coordinator at ", options_.coordinator, ": ",
                              ended.ToString(), "; trying again"));
      logged = now;
    }
    if (now - begin > kLongestPause + kConnectTimeout) pause = kFirstPause;
    if (!Pause(pause)) return absl::OkStatus();
    pause = std::min(2 * pause, kLongestPause);
  }
}

absl::Status CoordinatorLink::Connect(grpc::Channel* channel) {
  for (int i = 0; i < kConnectSlices; ++i) {
    const absl::Status connected =
        WaitConnected(channel, kConnectTimeout / kConnectSlices, options_.coordinator);
    absl::MutexLock lock(&mutex_);
    if (leaving_) return absl::CancelledError("leaving");
    if (connected.ok()) return connected;
  }
  return absl::UnavailableError(absl::StrCat(
      "cannot connect within ", absl::FormatDuration(kConnectTimeout),
      "; check --coordinator and, if it uses certificates, --tls_cert, --tls_key and --tls_ca"));
}

absl::Status CoordinatorLink::Join() {
  const std::shared_ptr<grpc::Channel> channel =
      MakeChannel(options_.coordinator, options_.credentials, kCoordinatorRole);
  GANTRY_RETURN_IF_ERROR(Connect(channel.get()));
  {
    absl::MutexLock lock(&mutex_);
    stream_ended_ = false;
    lease_ = absl::ZeroDuration();
  }
  grpc::ClientContext context;
  const std::unique_ptr<v1::Registry::Stub> stub = v1::Registry::NewStub(channel);
  const std::unique_ptr<JoinStream> stream = stub->Join(&context);
  v1::WorkerMessage hello;
  *hello.mutable_hello() = options_.hello;
  stream->Write(hello);

  std::thread reader([this, &stream] {
    v1::CoordinatorMessage message;
    while (stream->Read(&message)) {
      if (!message.has_welcome()) continue;
      const double lease_s = message.welcome().lease_s();
      absl::MutexLock lock(&mutex_);
      lease_ = lease_s > 0 && lease_s < 3600 ? absl::Seconds(lease_s) : kDefaultLease;
      has_joined_ = true;
      LogInfo(absl::StrCat("joined the coordinator at ", options_.coordinator, ", lease ",
                           absl::FormatDuration(lease_)));
    }
    absl::MutexLock lock(&mutex_);
    stream_ended_ = true;
  });

  bool alive = true;
  while (alive) {
    v1::WorkerMessage message;
    {
      absl::MutexLock lock(&mutex_);
      auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return leaving_ || stream_ended_ || !faults_.empty();
      };
      const absl::Duration lease = lease_ > absl::ZeroDuration() ? lease_ : kDefaultLease;
      mutex_.AwaitWithTimeout(absl::Condition(&something), lease / kProgressPerLease);
      if (stream_ended_) break;
      const bool welcomed = lease_ > absl::ZeroDuration();
      if (welcomed && !faults_.empty()) {  // before it leaves, for they may be why
        *message.mutable_fault() = std::move(faults_.front());
        faults_.pop_front();
      } else if (leaving_) {
        message.mutable_goodbye();
        alive = false;
      } else if (!welcomed) {
        continue;
      }
    }
    if (message.message_case() == v1::WorkerMessage::MESSAGE_NOT_SET) {
      *message.mutable_progress() = options_.make_progress();
    }
    if (!stream->Write(message)) break;
  }
  if (!alive) {
    stream->WritesDone();
    absl::MutexLock lock(&mutex_);
    // Cancelling a stream that has ended would hide what the coordinator said.
    if (!mutex_.AwaitWithTimeout(absl::Condition(&stream_ended_), kGoodbye)) context.TryCancel();
  }
  reader.join();
  absl::Status end = FromGrpcStatus(stream->Finish());
  bool was_member;
  {
    absl::MutexLock lock(&mutex_);
    was_member = lease_ > absl::ZeroDuration();
  }
  if (was_member) options_.on_lost();
  return end.ok() ? absl::UnavailableError("the coordinator ended the stream") : end;
}

}  // namespace gantry
