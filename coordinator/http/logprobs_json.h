#ifndef GANTRY_COORDINATOR_HTTP_LOGPROBS_JSON_H_
#define GANTRY_COORDINATOR_HTTP_LOGPROBS_JSON_H_

#include <cstdint>
#include <vector>

#include "base/json.h"
#include "model/text/tokenizer.h"
#include "proto/inference.pb.h"

namespace gantry {

// Log-probabilities of tokens in the forms of the two APIs. A token's text is what it decodes to
// after itself; `tokenizer` may be null. What has no probability at all gets -9999, since JSON has
// no infinity.

// {"content":[{"token","logprob","bytes","top_logprobs":[{"token","logprob","bytes"}]}],
// "refusal":null}
Json ChatLogprobs(const std::vector<v1::GeneratedToken>& tokens, const Tokenizer* tokenizer);
// {"tokens":[],"token_logprobs":[],"top_logprobs":[{}],"text_offset":[]}. Offsets begin at
// `text_offset`.
Json CompletionLogprobs(const std::vector<v1::GeneratedToken>& tokens, int64_t text_offset,
                        const Tokenizer* tokenizer);

// Characters (code points) of the texts of the tokens.
int64_t CharactersOf(const std::vector<v1::GeneratedToken>& tokens, const Tokenizer* tokenizer);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_LOGPROBS_JSON_H_
