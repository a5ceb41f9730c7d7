#include "coordinator/http/readiness.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/http/http_error.h"

namespace gantry {
namespace {

constexpr absl::Duration kProofHolds = absl::Seconds(1);
constexpr absl::Duration kPatience = absl::Seconds(5);
constexpr absl::Duration kLookEvery = absl::Milliseconds(10);

}  // namespace

class Readiness::Sink : public RequestSink {
 public:
  Sink(std::shared_ptr<Readiness> readiness, std::shared_ptr<Exchange> exchange)
      : readiness_(std::move(readiness)), exchange_(std::move(exchange)) {}
  void OnToken(v1::GeneratedToken) override {}
  void OnScored(v1::ScoredToken) override {}
  void OnFinish(v1::Finish) override { OnError(absl::OkStatus()); }
  void OnError(const absl::Status& status) override {
    exchange_->Post([readiness = readiness_, status] { readiness->OnProbe(status); });
  }

 private:
  const std::shared_ptr<Readiness> readiness_;
  const std::shared_ptr<Exchange> exchange_;  // whose thread is the server's
};

void Readiness::Check(const std::shared_ptr<Exchange>& exchange) {
  const std::string unready = unready_();
  if (!unready.empty()) {
    return exchange->Respond(ErrorResponse(absl::UnavailableError(unready)));
  }
  const absl::Duration now = clock_->Now();
  waiting_.push_back({exchange, now, engine_->report().counters.generated_tokens()});
  if (now - proven_ < kProofHolds) return AnswerAll(absl::OkStatus());
  exchange->OnQuiet(kLookEvery, [self = shared_from_this()] { self->Look(); });
  if (!probing_) StartProbe(exchange);
}

void Readiness::StartProbe(const std::shared_ptr<Exchange>& exchange) {
  probing_ = true;
  probe_id_ = engine_->Submit(probe_, std::make_shared<Sink>(shared_from_this(), exchange),
                              clock_->Now() + kPatience);
}

void Readiness::OnProbe(const absl::Status& status) {
  probing_ = false;
  // It was called off, or the queue is full: tokens of others will tell.
  if (absl::IsCancelled(status) || absl::IsResourceExhausted(status)) return;
  if (status.ok()) proven_ = clock_->Now();
  AnswerAll(status);
}

void Readiness::Look() {
  if (waiting_.empty()) return;
  const Waiting& oldest = waiting_.front();
  const absl::Duration now = clock_->Now();
  if (engine_->report().counters.generated_tokens() > oldest.tokens) {
    proven_ = now;
    if (probing_) engine_->Cancel(probe_id_, absl::CancelledError("others have got tokens"));
    AnswerAll(absl::OkStatus());
  } else if (now - oldest.since > kPatience) {
    AnswerAll(absl::UnavailableError(
        absl::StrCat("no token came out within ", absl::FormatDuration(kPatience))));
  }
}

void Readiness::AnswerAll(const absl::Status& status) {
  HttpResponse response;
  if (status.ok()) {
    response.body = "{\"status\":\"ready\"}\n";
  } else {
    response = ErrorResponse(
        absl::UnavailableError(absl::StrCat("a request for one token failed: ", status.message())));
  }
  const std::vector<Waiting> waiting = std::exchange(waiting_, {});
  for (const Waiting& one : waiting) one.exchange->Respond(response);
}

}  // namespace gantry
