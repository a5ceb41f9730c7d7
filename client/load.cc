#include "client/load.h"

#include <atomic>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace gantry {
namespace {

v1::GenerateRequest MakeRequest(const LoadOptions& options, uint64_t index) {
  v1::GenerateRequest request;
  const std::vector<int32_t> ids = RandomPrompt(options, index);
  request.mutable_token_ids()->mutable_ids()->Assign(ids.begin(), ids.end());
  request.set_max_new_tokens(options.max_new_tokens);
  request.set_ignore_eos(options.ignore_eos);
  request.mutable_sampling()->set_temperature(options.temperature);
  request.mutable_sampling()->set_seed(options.seed + index);
  return request;
}

RequestTimes SendRequest(const Client& client, const LoadOptions& options, uint64_t index,
                         const Clock* clock) {
  const v1::GenerateRequest request = MakeRequest(options, index);
  RequestTimes times;
  times.tokens.reserve(options.max_new_tokens);
  const absl::Duration start = clock->Now();
  times.status = client.Generate(request, {}, [&](const v1::GenerateResponse& event) {
    if (event.has_token()) times.tokens.push_back(clock->Now() - start);
    if (event.has_finish()) times.prompt_tokens = event.finish().prompt_tokens();
    return absl::OkStatus();
  });
  times.end = clock->Now() - start;
  const size_t most = options.max_new_tokens;
  const size_t least = options.ignore_eos ? most : 1;
  if (times.status.ok() && (times.tokens.size() < least || times.tokens.size() > most)) {
    times.status = absl::DataLossError(absl::StrCat("expected ", options.ignore_eos ? "" : "1 to ",
                                                    most, " tokens, found ", times.tokens.size()));
  }
  return times;
}

}  // namespace

std::vector<int32_t> RandomPrompt(const LoadOptions& options, uint64_t index) {
  // Not std::uniform_int_distribution: it differs from one standard library to another.
  std::seed_seq seed{static_cast<uint32_t>(options.seed), static_cast<uint32_t>(options.seed >> 32),
                     static_cast<uint32_t>(index)};
  std::mt19937_64 random(seed);
  std::vector<int32_t> ids(options.prompt_tokens);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % options.vocab_size);
  return ids;
}

LoadResult RunLoad(const Client& client, const LoadOptions& options, const Clock* clock) {
  LoadResult result;
  result.requests.resize(options.requests);
  std::atomic<int> next = 0;
  const absl::Duration start = clock->Now();
  std::vector<std::thread> threads;
  for (int i = 0; i < options.concurrency; ++i) {
    threads.emplace_back([&] {
      for (int index = next++; index < options.requests; index = next++) {
        result.requests[index] = SendRequest(client, options, index, clock);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  result.duration = clock->Now() - start;
  return result;
}

}  // namespace gantry
