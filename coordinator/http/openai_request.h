#ifndef GANTRY_COORDINATOR_HTTP_OPENAI_REQUEST_H_
#define GANTRY_COORDINATOR_HTTP_OPENAI_REQUEST_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "proto/inference.pb.h"

namespace gantry {

enum class OpenAiApi { kChat, kCompletions };

// A request of /v1/chat/completions or /v1/completions. Each prompt is answered `n` times.
struct OpenAiRequest {
  OpenAiApi api = OpenAiApi::kChat;
  std::string model;                         // empty: not given
  std::vector<v1::GenerateRequest> prompts;  // alike but for their inputs; of a chat one
  int n = 1;
  bool stream = false;
  bool include_usage = false;  // of a stream, in a chunk at its end
  bool tools = false;          // the model was told of tools
  std::string constraint;      // the field that says what form answers have; empty: none
};

inline constexpr int kMaxChoices = 128;       // prompts times n
inline constexpr int kDefaultMaxTokens = 16;  // of /v1/completions, as OpenAI's

// Unknown fields are ignored; what means something that is not done here is refused, unless it is
// set to what is done anyway. INVALID_ARGUMENT "FIELD: expected ..., found ...".
absl::StatusOr<OpenAiRequest> ParseOpenAiRequest(OpenAiApi api, absl::string_view body);

// A body that has to be a JSON object.
absl::StatusOr<Json> ParseBody(absl::string_view body);

// What the engine's checks say of its own fields, said of this API's. `constraint`: see
// OpenAiRequest.
absl::Status NameFields(OpenAiApi api, const absl::Status& status,
                        absl::string_view constraint = "");

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_OPENAI_REQUEST_H_
