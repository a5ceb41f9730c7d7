#include "client/interrupts.h"

#include <signal.h>

#include <thread>

namespace gantry {

void Interrupts::Deliver(int signal) {
  {
    absl::MutexLock lock(&mutex_);
    if (call_ != nullptr && !call_->cancelled()) {
      last_signal_ = signal;
      call_->Cancel();
      return;
    }
  }
  idle_(signal);
}

int Interrupts::last_signal() const {
  absl::MutexLock lock(&mutex_);
  return last_signal_;
}

InterruptibleCall::InterruptibleCall(Interrupts* interrupts) : interrupts_(interrupts) {
  absl::MutexLock lock(&interrupts_->mutex_);
  interrupts_->call_ = &cancellation_;
}

InterruptibleCall::~InterruptibleCall() {
  absl::MutexLock lock(&interrupts_->mutex_);
  interrupts_->call_ = nullptr;
}

void DeliverSignalsTo(Interrupts* interrupts) {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGINT, SIGTERM}) {
    struct sigaction action;
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) {
      sigaddset(&signals, number);
    }
  }
  // Every later thread inherits the mask, so that only the one below takes these signals. A handler
  // could not cancel a call: gRPC takes locks.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([interrupts, signals] {
    for (int number; sigwait(&signals, &number) == 0;) interrupts->Deliver(number);
  }).detach();
}

}  // namespace gantry
