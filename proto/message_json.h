#ifndef GANTRY_PROTO_MESSAGE_JSON_H_
#define GANTRY_PROTO_MESSAGE_JSON_H_

#include "absl/strings/string_view.h"
#include "base/json.h"
#include "proto/inference.pb.h"

namespace gantry {

// The JSON that scripts read from `generate` and over HTTP. Fields are added, never renamed.

// {"index","token_id","text"}; "logprob" and, if there are any, "top_logprobs" (a list of
// {"token_id","logprob","text"}) when `logprobs`.
Json TokenJson(const v1::GeneratedToken& token, bool logprobs);
// {"finish_reason","text","prompt_tokens","completion_tokens","time_to_first_token_s",
// "tokens_per_s","queue_s","prefill_s","decode_s"}
Json FinishJson(const v1::Finish& finish);
// {"token_ids":[],"logprobs":[null,-1.5,...]}; "top", null or a list for each token, if asked for.
Json ScoreJson(const v1::ScoreResponse& response, bool top);
Json StatusJson(const v1::GetStatusResponse& status);
// A trace with the fields of v1::RequestTrace; "finished_reason" is null while it runs, and "steps"
// with what belongs to it only there when `steps`.
Json TraceJson(const v1::RequestTrace& trace, bool steps);

// The double with the fewest digits that still is `value` as a float, so that JSON has -1.2 and
// not -1.2000000476837158. JSON has no infinities: those become null.
Json FloatJson(float value);

// "stop", "length" or "unspecified".
absl::string_view FinishReasonName(v1::FinishReason reason);

}  // namespace gantry

#endif  // GANTRY_PROTO_MESSAGE_JSON_H_
