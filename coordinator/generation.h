#ifndef GANTRY_COORDINATOR_GENERATION_H_
#define GANTRY_COORDINATOR_GENERATION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "coordinator/request.h"
#include "coordinator/stop_strings.h"
#include "model/text/tokenizer.h"
#include "proto/inference.pb.h"
#include "proto/stage.pb.h"

namespace gantry {

// Turns the tokens of one sequence into what its client is told, and says when it ends. Not
// thread-safe.
class Generation {
 public:
  // `tokenizer` may be null (there is no text then) and outlives this.
  Generation(const Request& request, const Tokenizer* tokenizer);

  struct Event {
    v1::GeneratedToken token;
    // Set with the last token: its reason and text; counts and times are left to the caller.
    std::optional<v1::Finish> finish;
  };
  // The next token. Not to be called after one that finished.
  Event Add(const v1::StepToken& token);

  int64_t tokens() const { return tokens_; }

 private:
  bool IsEnd(int32_t id) const;

  const Tokenizer* tokenizer_;
  const std::vector<int32_t> end_tokens_;
  const bool ignore_eos_;
  const int64_t min_new_tokens_;
  const int64_t max_new_tokens_;
  const bool logprobs_;
  std::optional<TextStream> text_;
  StopStrings stop_;
  int64_t tokens_ = 0;
};

// A StepLogprob with its text.
v1::TopLogprob MakeTopLogprob(const v1::StepLogprob& logprob, const Tokenizer* tokenizer);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_GENERATION_H_
