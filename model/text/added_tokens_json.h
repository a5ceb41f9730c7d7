#ifndef GANTRY_MODEL_TEXT_ADDED_TOKENS_JSON_H_
#define GANTRY_MODEL_TEXT_ADDED_TOKENS_JSON_H_

#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "model/text/added_tokens.h"

namespace gantry {

// The "added_tokens" of a tokenizer.json; none from null. INVALID_ARGUMENT for an empty token, an
// id above kMaxTokenId, a token or an id given twice; RESOURCE_EXHAUSTED above kMaxAddedTokens.
absl::StatusOr<std::vector<AddedToken>> ParseAddedTokens(const Json* json);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_ADDED_TOKENS_JSON_H_
