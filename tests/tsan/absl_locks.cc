// Debian's Abseil is built without ThreadSanitizer, which therefore does not see its locks. The
// linker sends our calls of them through here (--wrap, see CMakeLists.txt), where they are
// announced.

#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace {

using absl::Condition;
using absl::CondVar;
using absl::Duration;
using absl::Mutex;
using absl::Notification;
using absl::Time;

constexpr unsigned kRead = __tsan_mutex_read_lock;
constexpr unsigned kTry = __tsan_mutex_try_lock;

// Real..() is the function of Abseil, Wrap..() what is called in its place.
#define WRAP(result, name, symbol, ...)                        \
  result Real##name(__VA_ARGS__) __asm__("__real__ZN" symbol); \
  result Wrap##name(__VA_ARGS__) __asm__("__wrap__ZN" symbol)

}  // namespace

WRAP(void, Lock, "4absl7debian35Mutex4LockEv", Mutex*);
WRAP(void, Unlock, "4absl7debian35Mutex6UnlockEv", Mutex*);
WRAP(bool, TryLock, "4absl7debian35Mutex7TryLockEv", Mutex*);
WRAP(void, ReaderLock, "4absl7debian35Mutex10ReaderLockEv", Mutex*);
WRAP(void, ReaderUnlock, "4absl7debian35Mutex12ReaderUnlockEv", Mutex*);
WRAP(void, LockWhen, "4absl7debian35Mutex8LockWhenERKNS0_9ConditionE", Mutex*, const Condition&);
WRAP(void, Await, "4absl7debian35Mutex5AwaitERKNS0_9ConditionE", Mutex*, const Condition&);
WRAP(bool, AwaitWithTimeout,
     "4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE", Mutex*,
     const Condition&, Duration);
WRAP(bool, AwaitWithDeadline, "4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE",
     Mutex*, const Condition&, Time);
WRAP(void, Wait, "4absl7debian37CondVar4WaitEPNS0_5MutexE", CondVar*, Mutex*);
WRAP(bool, WaitWithTimeout, "4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE",
     CondVar*, Mutex*, Duration);
WRAP(bool, WaitWithDeadline, "4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE",
     CondVar*, Mutex*, Time);
WRAP(void, Notify, "4absl7debian312Notification6NotifyEv", Notification*);
WRAP(void, WaitFor, "K4absl7debian312Notification19WaitForNotificationEv", const Notification*);

void WrapLock(Mutex* mutex) {
  __tsan_mutex_pre_lock(mutex, 0);
  RealLock(mutex);
  __tsan_mutex_post_lock(mutex, 0, 0);
}

void WrapUnlock(Mutex* mutex) {
  __tsan_mutex_pre_unlock(mutex, 0);
  RealUnlock(mutex);
  __tsan_mutex_post_unlock(mutex, 0);
}

bool WrapTryLock(Mutex* mutex) {
  __tsan_mutex_pre_lock(mutex, kTry);
  const bool locked = RealTryLock(mutex);
  __tsan_mutex_post_lock(mutex, locked ? kTry : kTry | __tsan_mutex_try_lock_failed, 0);
  return locked;
}

void WrapReaderLock(Mutex* mutex) {
  __tsan_mutex_pre_lock(mutex, kRead);
  RealReaderLock(mutex);
  __tsan_mutex_post_lock(mutex, kRead, 0);
}

void WrapReaderUnlock(Mutex* mutex) {
  __tsan_mutex_pre_unlock(mutex, kRead);
  RealReaderUnlock(mutex);
  __tsan_mutex_post_unlock(mutex, kRead);
}

void WrapLockWhen(Mutex* mutex, const Condition& condition) {
  __tsan_mutex_pre_lock(mutex, 0);
  RealLockWhen(mutex, condition);
  __tsan_mutex_post_lock(mutex, 0, 0);
}

namespace {

// While one waits, the lock is free for others.
class Released {
 public:
  explicit Released(Mutex* mutex) : mutex_(mutex) {
    __tsan_mutex_pre_unlock(mutex_, 0);
    __tsan_mutex_post_unlock(mutex_, 0);
    __tsan_mutex_pre_lock(mutex_, 0);
  }
  ~Released() { __tsan_mutex_post_lock(mutex_, 0, 0); }

 private:
  Mutex* mutex_;
};

}  // namespace

void WrapAwait(Mutex* mutex, const Condition& condition) {
  Released released(mutex);
  RealAwait(mutex, condition);
}

bool WrapAwaitWithTimeout(Mutex* mutex, const Condition& condition, Duration timeout) {
  Released released(mutex);
  return RealAwaitWithTimeout(mutex, condition, timeout);
}

bool WrapAwaitWithDeadline(Mutex* mutex, const Condition& condition, Time deadline) {
  Released released(mutex);
  return RealAwaitWithDeadline(mutex, condition, deadline);
}

void WrapWait(CondVar* variable, Mutex* mutex) {
  Released released(mutex);
  RealWait(variable, mutex);
}

bool WrapWaitWithTimeout(CondVar* variable, Mutex* mutex, Duration timeout) {
  Released released(mutex);
  return RealWaitWithTimeout(variable, mutex, timeout);
}

bool WrapWaitWithDeadline(CondVar* variable, Mutex* mutex, Time deadline) {
  Released released(mutex);
  return RealWaitWithDeadline(variable, mutex, deadline);
}

void WrapNotify(Notification* notification) {
  __tsan_release(notification);
  RealNotify(notification);
}

void WrapWaitFor(const Notification* notification) {
  RealWaitFor(notification);
  __tsan_acquire(const_cast<Notification*>(notification));
}
