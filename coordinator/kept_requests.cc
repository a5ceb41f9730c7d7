#include "coordinator/kept_requests.h"

#include <openssl/sha.h>

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"

namespace gantry {
namespace {

// By which a request is known to be the same.
std::string Digest(v1::GenerateRequest request) {
  request.clear_resume_from();
  const std::string bytes = request.SerializeAsString();
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
         reinterpret_cast<uint8_t*>(digest.data()));
  return digest;
}

// What a message takes of memory: what it says, and the objects that say it.
int64_t SizeOf(const v1::GenerateResponse& message) {
  return sizeof(message) +
         (message.has_finish() ? sizeof(v1::Finish) : sizeof(v1::GeneratedToken)) +
         message.token().top_logprobs_size() * sizeof(v1::TopLogprob) + message.ByteSizeLong();
}

}  // namespace

// One request, whoever waits for it. The lock of its owner guards it.
class KeptRequests::Record : public RequestSink, public std::enable_shared_from_this<Record> {
 public:
  explicit Record(KeptRequests* owner) : owner_(owner) {}

  void OnAccepted(const std::string& numerics) override { owner_->OnAccepted(this, numerics); }
  void OnToken(v1::GeneratedToken token) override {
    const auto message = std::make_shared<v1::GenerateResponse>();
    *message->mutable_token() = std::move(token);
    owner_->OnMessage(this, message);
  }
  void OnScored(v1::ScoredToken) override {}
  void OnFinish(v1::Finish finish) override {
    const auto message = std::make_shared<v1::GenerateResponse>();
    *message->mutable_finish() = std::move(finish);
    owner_->OnMessage(this, message);
  }
  void OnError(const absl::Status& status) override { owner_->OnError(this, status); }

  // What the engine is to go on with.
  Begun MakeBegun(int n) const {
    Begun begun{.answers = std::vector<Begun::Answer>(n), .numerics = numerics, .charged = lost};
    for (const auto& message : messages) {
      if (message->has_finish()) {
        begun.answers[message->finish().sequence_index()].finished = true;
      } else {
        const v1::GeneratedToken& token = message->token();
        begun.answers[token.sequence_index()].tokens.push_back(token.token_id());
      }
    }
    return begun;
  }

  int unfinished = 0;                 // answers
  std::shared_ptr<MessageSink> call;  // that waits; null: none
  uint64_t running = 0;               // by which the runner knows it; 0: it does not run
  bool stopping = false;              // it was told to cancel it

  bool kept = false;
  // Where it is kept:
  Key key;
  std::string digest;
  // A template may read the clock, and a seed is chosen at random.
  std::vector<int32_t> prompt;
  int64_t max_new_tokens = 0;
  uint64_t seed = 0;
  std::vector<std::shared_ptr<const v1::GenerateResponse>> messages;
  std::string numerics;  // of the placement that answered
  int64_t bytes = 0;
  uint64_t ended = 0;     // in ended_; 0: it runs
  absl::Duration forget;  // when, having ended
  bool lost = false;      // it ended with UNAVAILABLE, and has got nothing since
  // Runs when what is stopping has stopped.
  struct Next {
    Request request;
    absl::Duration deadline;
  };
  std::optional<Next> next;

 private:
  KeptRequests* const owner_;
};

std::shared_ptr<KeptRequests::Record> KeptRequests::Start(const v1::GenerateRequest& asked,
                                                          Request request, absl::Duration deadline,
                                                          std::shared_ptr<MessageSink> call) {
  const std::string digest = asked.request_id().empty() ? "" : Digest(asked);
  absl::MutexLock lock(&mutex_);
  ForgetOld();
  if (!asked.has_resume_from()) {
    const auto record = std::make_shared<Record>(this);
    record->unfinished = request.n;
    record->call = std::move(call);
    if (!digest.empty() && options_.timeout > absl::ZeroDuration()) Keep(record, request, digest);
    Run(record.get(), std::move(request), deadline);
    return record;
  }
  absl::StatusOr<std::shared_ptr<Record>> record = Find(request, digest, asked.resume_from());
  if (!record.ok()) {
    call->OnEnd(record.status());
    return nullptr;
  }
  TakeOver(record->get(), asked.resume_from(), std::move(call));
  GoOn(record->get(), std::move(request), deadline);
  return *std::move(record);
}

void KeptRequests::Keep(const std::shared_ptr<Record>& record, const Request& request,
                        const std::string& digest) {
  record->kept = true;
  record->key = {request.client, request.id};
  record->digest = digest;
  record->prompt = request.prompt;
  record->max_new_tokens = request.max_new_tokens;
  record->seed = request.params.seed();
  const auto same = kept_.find(record->key);
  if (same != kept_.end()) Forget(same->second.get());
  kept_[record->key] = record;
  Grow(record.get(), sizeof(Record) + request.client.size() + request.id.size() +
                         request.prompt.size() * sizeof(request.prompt[0]));
}

absl::StatusOr<std::shared_ptr<KeptRequests::Record>> KeptRequests::Find(const Request& request,
                                                                         const std::string& digest,
                                                                         int64_t messages) const {
  const auto found = kept_.find({request.client, request.id});
  if (found == kept_.end()) {
    return absl::NotFoundError(absl::StrCat(
        "resume_from: expected the request_id of a request of this client that runs or ended less "
        "than ",
        absl::FormatDuration(options_.timeout), " ago (--resume_timeout), found \"", request.id,
        "\"; send the request without resume_from to begin again"));
  }
  const Record& record = *found->second;
  if (digest != record.digest) {
    return absl::InvalidArgumentError(
        absl::StrCat("request_id: expected the request that began as \"", request.id,
                     "\", found another; resume_from goes on with the same, and another needs an "
                     "id of its own"));
  }
  if (messages > record.messages.size()) {
    return absl::OutOfRangeError(absl::StrCat("resume_from: expected at most ",
                                              record.messages.size(), ", the messages that \"",
                                              request.id, "\" has given, found ", messages));
  }
  return found->second;
}

void KeptRequests::TakeOver(Record* record, int64_t messages, std::shared_ptr<MessageSink> call) {
  if (record->call != nullptr) {
    record->call->OnEnd(absl::AbortedError(
        absl::StrCat("another call has taken over the request \"", record->key.second, "\"")));
  }
  record->call = std::move(call);
  for (size_t i = messages; i < record->messages.size(); ++i) {
    record->call->OnMessage(record->messages[i]);
  }
}

void KeptRequests::GoOn(Record* record, Request request, absl::Duration deadline) {
  request.prompt = record->prompt;
  request.max_new_tokens = record->max_new_tokens;
  request.params.set_prompt_tokens(record->prompt.size());
  request.params.set_seed(record->seed);
  if (record->unfinished == 0) {
    std::exchange(record->call, nullptr)->OnEnd(absl::OkStatus());
  } else if (record->stopping) {
    record->next = {std::move(request), deadline};
  } else if (record->running != 0) {
    runner_->SetDeadline(record->running, deadline);
  } else {
    ended_.erase(std::exchange(record->ended, 0));
    Run(record, std::move(request), deadline);
  }
}

void KeptRequests::Run(Record* record, Request request, absl::Duration deadline) {
  if (!record->messages.empty()) request.begun = record->MakeBegun(request.n);
  record->running = runner_->Submit(std::move(request), record->shared_from_this(), deadline);
}

void KeptRequests::Leave(const std::shared_ptr<Record>& record, const MessageSink* call) {
  absl::MutexLock lock(&mutex_);
  if (record->call.get() != call) return;
  const absl::Status why = absl::CancelledError("the client is gone");
  std::exchange(record->call, nullptr)->OnEnd(why);
  record->next.reset();
  if (record->running == 0 || record->stopping) return;
  record->stopping = true;
  runner_->Cancel(record->running, why);
}

void KeptRequests::OnAccepted(Record* record, const std::string& numerics) {
  absl::MutexLock lock(&mutex_);
  record->numerics = numerics;
}

void KeptRequests::OnMessage(Record* record, std::shared_ptr<const v1::GenerateResponse> message) {
  absl::MutexLock lock(&mutex_);
  record->unfinished -= message->has_finish();
  record->lost = false;
  if (record->call != nullptr) record->call->OnMessage(message);
  if (record->kept) {
    record->messages.push_back(message);
    Grow(record, SizeOf(*message));
  }
  if (record->unfinished == 0) End(record, absl::OkStatus());
}

void KeptRequests::OnError(Record* record, const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  End(record, status);
}

void KeptRequests::End(Record* record, const absl::Status& status) {
  record->running = 0;
  record->stopping = false;
  record->lost |= absl::IsUnavailable(status);
  if (std::optional<Record::Next> next = std::exchange(record->next, std::nullopt);
      next.has_value() && record->unfinished > 0) {
    return Run(record, std::move(next->request), next->deadline);
  }
  if (record->call != nullptr) std::exchange(record->call, nullptr)->OnEnd(status);
  if (!record->kept) return;
  // Whoever has nothing of it has nothing to go on with.
  if (record->messages.empty()) return Forget(record);
  record->ended = ++last_ended_;
  record->forget = clock_->Now() + options_.timeout;
  ended_[record->ended] = record;
}

void KeptRequests::Grow(Record* record, int64_t bytes) {
  record->bytes += bytes;
  bytes_ += bytes;
  if (record->bytes > options_.max_request_bytes) return Forget(record);
  while (bytes_ > options_.max_bytes) Forget(ended_.empty() ? record : ended_.begin()->second);
}

void KeptRequests::Forget(Record* record) {
  bytes_ -= record->bytes;
  record->kept = false;
  record->messages.clear();
  ended_.erase(record->ended);
  if (record->next.has_value()) {
    record->next.reset();
    std::exchange(record->call, nullptr)
        ->OnEnd(absl::AbortedError(
            absl::StrCat("request \"", record->key.second, "\" is not kept any more")));
  }
  kept_.erase(Key(record->key));  // last: it may own the record
}

void KeptRequests::ForgetOld() {
  const absl::Duration now = clock_->Now();
  while (!ended_.empty() && ended_.begin()->second->forget <= now) {
    Forget(ended_.begin()->second);
  }
}

int64_t KeptRequests::bytes() const {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

}  // namespace gantry
