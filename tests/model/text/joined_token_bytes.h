#ifndef GANTRY_TESTS_MODEL_TEXT_JOINED_TOKEN_BYTES_H_
#define GANTRY_TESTS_MODEL_TEXT_JOINED_TOKEN_BYTES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "model/text/tokenizer.h"

namespace gantry {

// What the bytes of the tokens, one after the other, say: the text that they decode to, unless
// Tokenizer::TokenBytes refuses the tokenizer.
inline absl::StatusOr<std::string> JoinedTokenBytes(const Tokenizer& tokenizer,
                                                    const std::vector<int32_t>& ids) {
  std::string joined;
  for (size_t i = 0; i < ids.size(); ++i) {
    GANTRY_ASSIGN_OR_RETURN(const std::string bytes, tokenizer.TokenBytes(ids[i], i == 0));
    joined += bytes;
  }
  return joined;
}

}  // namespace gantry

#endif  // GANTRY_TESTS_MODEL_TEXT_JOINED_TOKEN_BYTES_H_
