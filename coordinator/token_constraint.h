#ifndef GANTRY_COORDINATOR_TOKEN_CONSTRAINT_H_
#define GANTRY_COORDINATOR_TOKEN_CONSTRAINT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"

namespace gantry {

// Which tokens may come next in one answer: a grammar's matcher, say. Not thread-safe; the engine
// calls it from its thread, between steps, so both calls are to take well under a step's time.
//
// What may come next depends on the token before, so a sequence with a constraint has no more than
// one token on its way: its next slice is made only after Accept. A scheduler that sends a
// sequence's next step before its last token is known must not do so for these.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;

  // A matcher in this one's state.
  virtual std::unique_ptr<TokenConstraint> Copy() const = 0;

  // Writes which tokens may come next as SequenceSlice.allowed_tokens wants them: at least one of
  // them, end tokens where the answer may end. False, with an empty mask: any may. May be called
  // more than once between two tokens, when a sequence is computed again.
  virtual bool Allowed(std::string* mask) = 0;

  // The token that was chosen; not called with the one that ends the answer. An error fails the
  // request.
  virtual absl::Status Accept(int32_t token) = 0;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_TOKEN_CONSTRAINT_H_
