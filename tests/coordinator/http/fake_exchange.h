#ifndef GANTRY_TESTS_COORDINATOR_HTTP_FAKE_EXCHANGE_H_
#define GANTRY_TESTS_COORDINATOR_HTTP_FAKE_EXCHANGE_H_

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "coordinator/http/exchange.h"

namespace gantry {

// Keeps what a handler answers. The test's thread is the server's: what is posted runs in Run.
class FakeExchange : public Exchange {
 public:
  explicit FakeExchange(HttpRequest request) : request_(std::move(request)) {}

  const HttpRequest& request() const override { return request_; }
  void Post(std::function<void()> call) override {
    absl::MutexLock lock(&mutex_);
    calls_.push_back(std::move(call));
  }
  void Respond(HttpResponse response) override {
    head = std::move(response);
    body = head->body;
    ended = true;
  }
  void BeginStream(HttpResponse response) override { head = std::move(response); }
  void Write(std::string bytes) override { body += bytes; }
  void EndStream() override { ended = true; }
  void Cut() override { ended = cut = true; }
  void OnClosed(std::function<void()> call) override { closed = std::move(call); }
  void OnQuiet(absl::Duration, std::function<void()> call) override { quiet = std::move(call); }

  // Runs what is posted, waiting for more, until `done`.
  void Run(const std::function<bool()>& done) {
    while (!done()) {
      std::function<void()> call;
      {
        absl::MutexLock lock(&mutex_);
        const auto posted = [this]()
                                ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !calls_.empty(); };
        mutex_.Await(absl::Condition(&posted));
        call = std::move(calls_.front());
        calls_.pop_front();
      }
      call();
    }
  }
  void RunToEnd() {
    Run([this] { return ended; });
  }

  std::optional<HttpResponse> head;
  std::string body;
  bool ended = false;
  bool cut = false;
  std::function<void()> closed;
  std::function<void()> quiet;

 private:
  const HttpRequest request_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry

#endif  // GANTRY_TESTS_COORDINATOR_HTTP_FAKE_EXCHANGE_H_
