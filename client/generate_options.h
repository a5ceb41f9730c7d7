#ifndef GANTRY_CLIENT_GENERATE_OPTIONS_H_
#define GANTRY_CLIENT_GENERATE_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/inference.pb.h"

namespace gantry {

// What `generate` was asked to do. Absent values are not sent, so that the model's own defaults
// hold.
struct GenerateOptions {
  enum class Action { kGenerate, kInteractive, kScore, kTokenize, kDetokenize, kStatus };
  Action action = Action::kGenerate;

  // At most one of the three; exactly one unless the action is kInteractive or kStatus.
  std::optional<std::string> prompt = std::nullopt;
  std::optional<std::string> chat = std::nullopt;  // what the user says
  std::optional<std::vector<int32_t>> token_ids = std::nullopt;
  std::optional<std::string> system = std::nullopt;  // before the chat

  std::optional<bool> add_special_tokens = std::nullopt;
  bool skip_special_tokens = false;
  v1::Sampling sampling = {};
  std::optional<int32_t> max_new_tokens = std::nullopt;
  std::optional<int32_t> min_new_tokens = std::nullopt;
  std::vector<std::string> stop = {};
  std::vector<v1::LogitBias> logit_bias = {};
  bool ignore_eos = false;
  // At most one of the three.
  std::optional<std::string> json_schema = std::nullopt;
  std::optional<std::string> regex = std::nullopt;
  bool json_object = false;
  std::optional<bool> logprobs = std::nullopt;  // unless set: when the output is JSON
  int32_t top_logprobs = 0;
  int32_t priority = 0;
  int32_t n = 1;  // answers, 1 to 128

  bool trace = false;  // print where the request's time went, too
  bool json = false;
  absl::Duration timeout = absl::InfiniteDuration();
  absl::Duration retry_for = absl::ZeroDuration();  // see CallOptions
};

// "1,2,3", with or without blanks. INVALID_ARGUMENT naming what is no token id.
absl::StatusOr<std::vector<int32_t>> ParseTokenIds(absl::string_view text);

// "5:-100,9:2.5": what is added to the logits of tokens 5 and 9. INVALID_ARGUMENT naming what is no
// such pair.
absl::StatusOr<std::vector<v1::LogitBias>> ParseLogitBias(absl::string_view text);

// A text that begins with [" is a JSON array of strings; any other is the only stop string.
absl::StatusOr<std::vector<std::string>> ParseStop(absl::string_view text);

// The JSON schema that --json_schema names: the text itself if it begins with {, else what is in
// the file. Errors name the flag.
absl::StatusOr<std::string> ReadSchema(const std::string& text_or_file);

// INVALID_ARGUMENT for inputs that the action does not take or lacks, and for text that is not
// UTF-8.
absl::Status CheckOptions(const GenerateOptions& options);

// The system message, if any.
v1::Chat BeginChat(const GenerateOptions& options);
void AddMessage(absl::string_view role, absl::string_view content, v1::Chat* chat);

v1::GenerateRequest MakeGenerateRequest(const GenerateOptions& options);
v1::TokenizeRequest MakeTokenizeRequest(const GenerateOptions& options);

}  // namespace gantry

#endif  // GANTRY_CLIENT_GENERATE_OPTIONS_H_
