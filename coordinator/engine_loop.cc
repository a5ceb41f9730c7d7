#include "coordinator/engine_loop.h"

#include <algorithm>
#include <utility>

#include "absl/synchronization/notification.h"

namespace gantry {

EngineLoop::EngineLoop(const EngineOptions& options, const ModelConfig* config,
                       const Tokenizer* tokenizer, const Clock* clock)
    : clock_(clock), engine_(options, config, tokenizer, clock) {
  thread_ = std::thread([this] { Run(); });
}

EngineLoop::~EngineLoop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

uint64_t EngineLoop::Submit(Request request, std::shared_ptr<RequestSink> sink,
                            absl::Duration deadline) {
  const uint64_t id = ++last_id_;
  Post(
      [id, request = std::move(request), sink = std::move(sink), deadline](Engine* engine) mutable {
        engine->Submit(id, std::move(request), std::move(sink), deadline);
      });
  return id;
}

void EngineLoop::SetDeadline(uint64_t id, absl::Duration deadline) {
  Post([id, deadline](Engine* engine) { engine->SetDeadline(id, deadline); });
}

void EngineLoop::Cancel(uint64_t id, const absl::Status& why) {
  Post([id, why](Engine* engine) { engine->Cancel(id, why); });
}

void EngineLoop::OnResult(v1::StepHeader result) {
  Post([result = std::move(result)](Engine* engine) { engine->OnResult(result); });
}

void EngineLoop::BeginEpoch(const Engine::Epoch& epoch) {
  Post([epoch](Engine* engine) { engine->BeginEpoch(epoch); });
}

void EngineLoop::EndEpoch(const absl::Status& why) {
  absl::Notification ended;
  Post([&](Engine* engine) {
    engine->EndEpoch(why);
    Publish();
    ended.Notify();
  });
  ended.WaitForNotification();
}

void EngineLoop::SuspendEpoch(const absl::Status& why) {
  absl::Notification suspended;
  Post([&](Engine* engine) {
    engine->SuspendEpoch(why);
    Publish();
    suspended.Notify();
  });
  suspended.WaitForNotification();
}

void EngineLoop::RefuseNew(const absl::Status& why) {
  Post([why](Engine* engine) { engine->RefuseNew(why); });
}

EngineLoop::Report EngineLoop::report() const {
  absl::MutexLock lock(&mutex_);
  return report_;
}

void EngineLoop::Post(Call call) {
  absl::MutexLock lock(&mutex_);
  calls_.push_back(std::move(call));
}

void EngineLoop::Run() {
  std::vector<Call> calls;
  absl::Duration wait = absl::InfiniteDuration();
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      const auto awake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !calls_.empty();
      };
      mutex_.AwaitWithTimeout(absl::Condition(&awake), wait);
      if (calls_.empty() && stopping_) return;
      calls.swap(calls_);
    }
    for (Call& call : calls) call(&engine_);
    calls.clear();
    engine_.Pump();
    const absl::Duration deadline = engine_.NextDeadline();
    wait = std::max(absl::ZeroDuration(), deadline - clock_->Now());
    Publish();
  }
}

void EngineLoop::Publish() {
  absl::MutexLock lock(&mutex_);
  report_ = {engine_.counters(), engine_.OldestStepSent()};
}

}  // namespace gantry
