#ifndef GANTRY_COORDINATOR_HTTP_CHAT_MESSAGES_H_
#define GANTRY_COORDINATOR_HTTP_CHAT_MESSAGES_H_

#include "absl/status/statusor.h"
#include "base/json.h"
#include "proto/inference.pb.h"

namespace gantry {

// The chat of a request in OpenAI's form: `messages`, whose contents are strings or lists of text
// parts, with calls of tools and their results, and `tools`, unless `tool_choice` is "none".
// "developer" is what newer models call "system", and becomes it. INVALID_ARGUMENT
// "messages[2].content: expected ..., found ...".
absl::StatusOr<v1::Chat> ParseChat(const Json& request);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_CHAT_MESSAGES_H_
