#include "coordinator/exit_request.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/exit_code.h"
#include "base/log.h"

namespace gantry {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

ExitRequest* ExitRequest::Get() {
  static ExitRequest* const request = new ExitRequest();
  return request;
}

ExitRequest::ExitRequest() {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([this] { WatchSignals(); }).detach();
}

void ExitRequest::WatchSignals() {
  const sigset_t signals = StopSignals();
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (IsSet()) _exit(128 + signal);
    LogInfo(absl::StrCat(strsignal(signal), ": stopping"));
    Set(kExitDone);
  }
}

void ExitRequest::Set(int exit_code) {
  absl::MutexLock lock(&mutex_);
  if (set_) return;
  set_ = true;
  exit_code_ = exit_code;
}

bool ExitRequest::IsSet() const {
  absl::MutexLock lock(&mutex_);
  return set_;
}

int ExitRequest::Wait() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&set_));
  return exit_code_;
}

}  // namespace gantry
