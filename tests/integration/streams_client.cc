// Sends many requests of mixed lengths at once and compares each answer with that of the same
// request alone. Prints a line of JSON: how many were answered as alone, differently, or refused
// because the queue was full (and of these, told when to ask again), what else was wrong, and
// "unfairness": by how much the tokens of two streams differ while one is answered, at most.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "base/flags.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "proto/retry_info.h"

ABSL_FLAG(std::string, server, "", "HOST:PORT.");
ABSL_FLAG(int, streams, 256, "Requests at once.");
ABSL_FLAG(int, kinds, 32, "Different requests among them.");
ABSL_FLAG(int, vocab_size, 1000, "");

namespace gantry {
namespace {

// Shorter ones say little of who gets how many tokens.
constexpr size_t kMinAnswerToCompare = 16;

struct Answer {
  absl::Status status;
  std::vector<int32_t> ids;
  std::vector<int64_t> order;  // of each token among those of all streams
};

v1::GenerateRequest MakeRequest(int kind) {
  std::mt19937 random(kind);
  const auto pick = [&random](int low, int high) { return low + random() % (high - low + 1); };
  v1::GenerateRequest request;
  for (int i = pick(1, 200); i > 0; --i) {
    request.mutable_token_ids()->add_ids(pick(3, absl::GetFlag(FLAGS_vocab_size) - 1));
  }
  const int answer = pick(1, 60);
  request.set_min_new_tokens(answer);
  request.set_max_new_tokens(answer);
  request.mutable_sampling()->set_temperature(kind % 2 == 0 ? 0 : 2);
  request.mutable_sampling()->set_seed(kind);
  return request;
}

Answer Ask(const Client& client, int kind, std::atomic<int64_t>* order) {
  Answer answer;
  answer.status = client.Generate(MakeRequest(kind), CallOptions(), [&](const auto& event) {
    if (!event.has_token()) return absl::OkStatus();
    answer.ids.push_back(event.token().token_id());
    answer.order.push_back((*order)++);
    return absl::OkStatus();
  });
  return answer;
}

int64_t TokensBetween(const Answer& answer, int64_t first, int64_t last) {
  return std::upper_bound(answer.order.begin(), answer.order.end(), last) -
         std::lower_bound(answer.order.begin(), answer.order.end(), first);
}

// Between the first and the last token of one stream, what others had that had begun before and
// ended later.
double Unfairness(const std::vector<Answer>& answers) {
  double worst = 1;
  for (const Answer& one : answers) {
    if (one.ids.size() < kMinAnswerToCompare) continue;
    const double tokens = one.ids.size();
    for (const Answer& other : answers) {
      if (other.ids.empty() || other.order.front() > one.order.front()) continue;
      if (other.order.back() < one.order.back()) continue;
      const double others = TokensBetween(other, one.order.front(), one.order.back());
      worst = std::max(worst, std::max(tokens / std::max(others, 1.0), others / tokens));
    }
  }
  return worst;
}

absl::Status Run() {
  GANTRY_ASSIGN_OR_RETURN(const Credentials credentials, Credentials::Load({}));
  GANTRY_ASSIGN_OR_RETURN(const Client client,
                          Client::Make(absl::GetFlag(FLAGS_server), credentials));
  const int kinds = absl::GetFlag(FLAGS_kinds);
  std::atomic<int64_t> order = 0;
  std::vector<Answer> alone;
  for (int kind = 0; kind < kinds; ++kind) {
    alone.push_back(Ask(client, kind, &order));
    GANTRY_RETURN_IF_ERROR(alone.back().status);
  }
  std::vector<Answer> answers(absl::GetFlag(FLAGS_streams));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < answers.size(); ++i) {
    threads.emplace_back([&, i] { answers[i] = Ask(client, i % kinds, &order); });
  }
  for (std::thread& thread : threads) thread.join();

  int equal = 0, different = 0, refused = 0, told_when = 0;
  Json errors = Json::array();
  for (size_t i = 0; i < answers.size(); ++i) {
    const Answer& answer = answers[i];
    if (answer.status.ok()) {
      ++(answer.ids == alone[i % kinds].ids ? equal : different);
    } else if (absl::IsResourceExhausted(answer.status)) {
      ++refused;
      told_when +=
          GetRetryDelay(answer.status).value_or(absl::ZeroDuration()) > absl::ZeroDuration();
    } else {
      errors.push_back(answer.status.ToString());
    }
  }
  const Json report{
      {"equal", equal},         {"different", different},      {"refused", refused},
      {"told_when", told_when}, {"errors", std::move(errors)}, {"unfairness", Unfairness(answers)}};
  std::printf("%s\n", DumpJson(report).c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) {
  gantry::ParseFlags(argc, argv, "See the comment in streams_client.cc.", {"streams_client"});
  const absl::Status status = gantry::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
