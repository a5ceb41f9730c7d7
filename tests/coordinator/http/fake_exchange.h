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
    End();
  }
  void BeginStream(HttpResponse response) override { head = std::move(response); }
  void Write(std::string bytes) override { body += bytes; }
  void EndStream() override { End(); }
  void Cut() override {
    cut = true;
    End();
  }
  void OnClosed(std::function<void()> call) override { closed_ = std::move(call); }
  void OnQuiet(absl::Duration, std::function<void()> call) override { quiet_ = std::move(call); }

  // The handler has asked to be told.
  bool watched() const { return closed_ != nullptr; }
  // The client goes.
  void Leave() {
    const std::function<void()> closed = std::move(closed_);
    End();
    closed();
  }
  // For a while nothing is written.
  void Rest() {
    const std::function<void()> quiet = quiet_;
    quiet();
  }

  // Runs what is posted, waiting for more, until `done`.
  void Run(const std::function<bool()>& done) {
    while (!done()) Take(/*wait=*/true)();
  }
  void RunToEnd() {
    Run([this] { return ended; });
  }
  // Runs what is posted already.
  void RunPosted() {
    while (const std::function<void()> call = Take(/*wait=*/false)) call();
  }

  std::optional<HttpResponse> head;
  std::string body;
  bool ended = false;
  bool cut = false;

 private:
  // The first call that was posted; null if there is none and none is waited for.
  std::function<void()> Take(bool wait) {
    absl::MutexLock lock(&mutex_);
    const auto posted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !calls_.empty(); };
    if (wait) mutex_.Await(absl::Condition(&posted));
    if (calls_.empty()) return nullptr;
    std::function<void()> call = std::move(calls_.front());
    calls_.pop_front();
    return call;
  }

  // As of a connection, what it holds of the handler goes.
  void End() {
    ended = true;
    closed_ = nullptr;
    quiet_ = nullptr;
  }

  std::function<void()> closed_;
  std::function<void()> quiet_;
  const HttpRequest request_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry

#endif  // GANTRY_TESTS_COORDINATOR_HTTP_FAKE_EXCHANGE_H_
