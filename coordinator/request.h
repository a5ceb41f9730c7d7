#ifndef GANTRY_COORDINATOR_REQUEST_H_
#define GANTRY_COORDINATOR_REQUEST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/constraint_compiler.h"
#include "coordinator/request_id.h"
#include "coordinator/token_constraint.h"
#include "model/checkpoint.h"
#include "model/text/chat_template.h"
#include "model/text/tokenizer.h"
#include "proto/inference.pb.h"
#include "proto/stage.pb.h"

namespace gantry {

// What of the model a request is checked against.
struct RequestContext {
  int64_t vocab_size = 0;
  int64_t context = 0;  // tokens a sequence may have
  GenerationConfig generation;
  const Tokenizer* tokenizer = nullptr;         // null: the model has none
  const ChatTemplate* chat_template = nullptr;  // null: the model has none
  ConstraintCompiler* constraints = nullptr;    // null: no answer can be constrained
};

// What a request that goes on had when it stopped.
struct Begun {
  struct Answer {
    std::vector<int32_t> tokens{};
    bool finished = false;
  };
  std::vector<Answer> answers{};  // n, not all finished
  std::string numerics{};         // of the placement that chose them, see Engine::Epoch
  bool charged = false;           // computing the tokens again is not the client's doing
};

// A request that was checked: nothing of it can surprise what comes after the door.
struct Request {
  std::string id;               // for logs and traces, never empty; need not be unique
  std::string client;           // whose it is; empty: nobody's. Clients have equal shares.
  int priority = 0;             // among the client's own, -10 to 10, higher first
  std::vector<int32_t> prompt;  // never empty, all within the vocabulary
  v1::SequenceParams params;
  int64_t max_new_tokens = 0;     // at most what the context leaves room for
  std::vector<std::string> stop;  // none empty
  int n = 1;                      // answers; the seed of the i-th is params.seed() + i
  bool logprobs = false;
  bool probe = false;       // the coordinator's own: counted nowhere as a request
  bool ignore_eos = false;  // end tokens do not end the answer
  // At the beginning of an answer; every sequence of the request has its own Copy. May be null.
  std::shared_ptr<const TokenConstraint> constraint;
  std::optional<Begun> begun;  // it goes on
};

inline constexpr int kMaxAnswers = 128;
inline constexpr int kMaxPriority = 10;
inline constexpr int kMaxStopStrings = 16;
inline constexpr int kMaxStopBytes = 1024;
inline constexpr int kMaxTopLogprobs = 20;
inline constexpr int kMaxChatMessages = 4096;
inline constexpr int kMaxRoleBytes = 64;
inline constexpr int kMaxToolBytes = 1 << 20;  // of the JSON of tools, or of one message's calls
inline constexpr int kMaxToolDepth = 32;

// INVALID_ARGUMENT "FIELD: expected ..., found ..." for what is malformed or out of range,
// FAILED_PRECONDITION for text, chat or a constraint without a tokenizer, or chat without a
// template. `random_seed` is taken when the request has none, and makes its id when it has none.
absl::StatusOr<Request> CheckGenerate(const v1::GenerateRequest& request,
                                      const RequestContext& context, uint64_t random_seed);
absl::StatusOr<Request> CheckScore(const v1::ScoreRequest& request, const RequestContext& context);

// The text of a prompt or a chat, with what a user typed marked.
absl::StatusOr<MarkedText> RenderChat(const v1::Chat& chat, const RequestContext& context);
// FAILED_PRECONDITION without a tokenizer.
absl::StatusOr<std::vector<int32_t>> Encode(const MarkedText& text, bool add_special_tokens,
                                            const RequestContext& context);
absl::Status CheckTokenIds(absl::Span<const int32_t> ids, int64_t vocab_size);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_REQUEST_H_
