#ifndef GANTRY_TESTS_COORDINATOR_ENGINE_TESTING_H_
#define GANTRY_TESTS_COORDINATOR_ENGINE_TESTING_H_

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "absl/types/span.h"
#include "coordinator/engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/step_frame.h"
#include "tests/coordinator/fake_tokenizer.h"

namespace gantry {

// Stands for all stages, with blocks of four tokens: checks every frame as a stage would, and what
// the blocks hold, and answers when told to. The token after t is t + 1, unless `sample` is set.
class FakePipeline : public StepSink {
 public:
  bool Send(const v1::StepHeader& header) override {
    EXPECT_EQ(header.step(), ++last_step_);
    for (uint64_t released : header.released()) {
      EXPECT_EQ(tables_.erase(released), 1) << "released twice, or never known";
    }
    std::set<uint64_t> seen;
    for (const v1::SequenceSlice& slice : header.slices()) {
      EXPECT_TRUE(seen.insert(slice.sequence()).second);
      const bool begins = slice.start() == 0 || slice.prefix_token_ids_size() > 0;
      EXPECT_EQ(tables_.count(slice.sequence()), begins ? 0 : 1);
      EXPECT_EQ(slice.has_params(), begins);
      Table& table = tables_[slice.sequence()];
      table.blocks.insert(table.blocks.end(), slice.new_blocks().begin(), slice.new_blocks().end());
      if (begins) Share(slice, &table);
      EXPECT_EQ(slice.start(), table.tokens.size()) << "a gap";
      for (const int32_t token : slice.token_ids()) {
        EXPECT_TRUE(token != kSampledToken || slice.start() > 0) << "nothing was sampled";
        Write(token != kSampledToken ? token : sample(table.tokens, table.params),
              slice.rope_length(), &table);
      }
      table.rope_lengths.insert(table.rope_lengths.end(), slice.token_ids_size(),
                                slice.rope_length());
      if (slice.has_params()) table.params = slice.params();
    }
    CheckOwners();
    sent_.push_back(header);
    frames_.push_back(header);
    for (v1::SequenceSlice& slice : *frames_.back().mutable_slices()) {
      const Table& table = tables_[slice.sequence()];
      slice.mutable_token_ids()->Assign(table.tokens.begin(), table.tokens.end());
      *slice.mutable_params() = table.params;
    }
    return true;
  }

  // The result of the oldest step on its way.
  v1::StepHeader Next() {
    v1::StepHeader header = frames_.front();
    frames_.pop_front();
    v1::StepHeader result;
    result.set_epoch(header.epoch());
    result.set_step(header.step());
    for (const v1::SequenceSlice& slice : header.slices()) {
      if (slice.logit_rows() == 0) continue;
      v1::SliceResult* out = result.add_results();
      out->set_sequence(slice.sequence());
      const bool score = slice.following_token() >= 0 || slice.logit_rows() > 1;
      for (int i = 0; i < slice.logit_rows(); ++i) {
        const int at = slice.token_ids_size() - slice.logit_rows() + i;
        v1::StepLogprob* token = out->add_tokens()->mutable_token();
        token->set_token_id(
            sample({slice.token_ids().data(), static_cast<size_t>(at + 1)}, slice.params()));
        token->set_logprob(score ? -slice.token_ids(at) : -1);
      }
    }
    return result;
  }

  struct Table {
    std::vector<int32_t> tokens;
    std::vector<uint32_t> blocks;
    std::vector<int64_t> rope_lengths;
    size_t shared_blocks = 0;
    uint64_t digest = 0;  // of all tokens
    v1::SequenceParams params;
  };
  bool idle() const { return frames_.empty(); }
  const std::map<uint64_t, Table>& tables() const { return tables_; }
  const std::vector<v1::StepHeader>& sent() const { return sent_; }

  // Tokens that were computed.
  int64_t computed() const { return computed_; }
  // What a rope length means for keys; unless set, nothing.
  std::function<int64_t(int64_t)> embedding = [](int64_t) { return 0; };
  // The token after these.
  std::function<int32_t(absl::Span<const int32_t>, const v1::SequenceParams&)> sample =
      [](absl::Span<const int32_t> tokens, const v1::SequenceParams&) {
        return (tokens.back() + 1) % 256;
      };

 private:
  static constexpr size_t kBlockSize = 4;

  static uint64_t Digest(uint64_t before, int32_t token, int64_t embedding) {
    return (before ^ (token + 1 + 1000 * embedding)) * 0x9E3779B97F4A7C15;
  }

  // What attention reads of the blocks that the sequence begins with.
  void Share(const v1::SequenceSlice& slice, Table* table) {
    EXPECT_EQ(slice.prefix_token_ids_size() % kBlockSize, 0);
    EXPECT_EQ(slice.prefix_token_ids_size(), slice.start());
    for (int32_t token : slice.prefix_token_ids()) {
      const size_t at = table->tokens.size();
      table->tokens.push_back(token);
      table->digest = Digest(table->digest, token, embedding(slice.rope_length()));
      ASSERT_LT(at / kBlockSize, table->blocks.size());
      EXPECT_EQ(memory_[table->blocks[at / kBlockSize]][at % kBlockSize], table->digest)
          << "a block that holds something else";
    }
    table->shared_blocks = slice.start() / kBlockSize;
  }

  void Write(int32_t token, int64_t rope_length, Table* table) {
    const size_t at = table->tokens.size();
    table->tokens.push_back(token);
    table->digest = Digest(table->digest, token, embedding(rope_length));
    ASSERT_LT(at / kBlockSize, table->blocks.size()) << "no block";
    memory_[table->blocks[at / kBlockSize]][at % kBlockSize] = table->digest;
    ++computed_;
  }

  // Nobody but its writer has a block, and those that begin with it once it is full.
  void CheckOwners() {
    std::set<uint32_t> owned;
    for (const auto& [id, table] : tables_) {
      for (size_t i = table.shared_blocks; i < table.blocks.size(); ++i) {
        EXPECT_TRUE(owned.insert(table.blocks[i]).second) << "two owners";
      }
    }
    for (const auto& [id, table] : tables_) {
      uint64_t digest = 0;
      for (size_t i = 0; i < table.shared_blocks * kBlockSize; ++i) {
        digest = Digest(digest, table.tokens[i], embedding(table.rope_lengths.front()));
        EXPECT_EQ(memory_[table.blocks[i / kBlockSize]][i % kBlockSize], digest) << "overwritten";
      }
    }
  }

  uint64_t last_step_ = 0;
  int64_t computed_ = 0;
  std::map<uint32_t, std::array<uint64_t, kBlockSize>> memory_;
  std::map<uint64_t, Table> tables_;
  std::deque<v1::StepHeader> frames_;
  std::vector<v1::StepHeader> sent_;
};

struct Client : RequestSink {
  void OnToken(v1::GeneratedToken token) override {
    EXPECT_FALSE(ended);
    EXPECT_EQ(token.index(), begun + ids.size());
    ids.push_back(token.token_id());
    text += token.text();
  }
  void OnScored(v1::ScoredToken token) override { scored.push_back(token); }
  void OnFinish(v1::Finish f) override {
    EXPECT_FALSE(ended);
    ended = true;
    text += f.text();
    finish = f;
  }
  void OnError(const absl::Status& s) override {
    EXPECT_FALSE(ended);
    ended = true;
    status = s;
  }
  size_t begun = 0;  // tokens that it has already
  std::vector<int32_t> ids;
  std::string text;
  std::vector<v1::ScoredToken> scored;
  bool ended = false;
  v1::Finish finish;
  absl::Status status;
};

// Answers by sequence_index.
struct Answers : RequestSink {
  void OnToken(v1::GeneratedToken token) override {
    std::string& text = texts[token.sequence_index()];
    EXPECT_EQ(token.index(), text.size());
    text += token.text();
  }
  void OnScored(v1::ScoredToken) override {}
  void OnFinish(v1::Finish finish) override { finished.push_back(finish.sequence_index()); }
  void OnError(const absl::Status& status) override { errors.push_back(status); }
  std::map<int, std::string> texts;
  std::vector<int> finished;
  std::vector<absl::Status> errors;
};

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    config_.vocab_size = 256;
    options_.block_size = 4;
    options_.max_step_tokens = 16;
    options_.max_step_rows = 16;
    options_.max_queue = 4;
  }

  void Begin(int64_t num_blocks = 64, int stages = 1) {
    engine_.emplace(options_, &config_, &tokenizer_, &clock_);
    engine_->BeginEpoch({1, stages, num_blocks, &pipeline_});
  }

  static Request Prompt(std::vector<int32_t> ids, int64_t max_new_tokens) {
    Request request;
    request.prompt = std::move(ids);
    request.max_new_tokens = max_new_tokens;
    request.params.set_prompt_tokens(request.prompt.size());
    return request;
  }

  std::shared_ptr<Client> Submit(Request request,
                                 absl::Duration timeout = absl::InfiniteDuration()) {
    auto client = std::make_shared<Client>();
    if (request.begun.has_value()) client->begun = request.begun->answers[0].tokens.size();
    engine_->Submit(++last_id_, std::move(request), client, clock_.Now() + timeout);
    engine_->Pump();
    return client;
  }

  void Return() {
    ASSERT_FALSE(pipeline_.idle());
    engine_->OnResult(pipeline_.Next());
    engine_->Pump();
  }
  void ReturnAll() {
    while (!pipeline_.idle()) Return();
  }
  void ExpectNothingLeft() {
    ReturnAll();
    EXPECT_THAT(pipeline_.tables(), ::testing::IsEmpty());
    EXPECT_EQ(engine_->counters().kv_blocks_used(), 0);
  }

  EngineOptions options_;
  ModelConfig config_;
  FakeTokenizer tokenizer_;
  FakeClock clock_;
  FakePipeline pipeline_;
  std::optional<Engine> engine_;
  uint64_t last_id_ = 0;
};

}  // namespace gantry

#endif  // GANTRY_TESTS_COORDINATOR_ENGINE_TESTING_H_
