#ifndef GANTRY_MODEL_TEXT_CHAT_TEMPLATE_H_
#define GANTRY_MODEL_TEXT_CHAT_TEMPLATE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "model/text/marked_text.h"

namespace gantry {

struct ChatMessage {
  std::string role;
  std::string content;
  // Left out of what the template sees where they are empty or null.
  std::string name = {};
  std::string tool_call_id = {};
  Json tool_calls = nullptr;
};

// A model's chat template, parsed. Immutable and thread-safe.
class ChatTemplate {
 public:
  ~ChatTemplate();
  // From chat_template.jinja, or tokenizer_config.json's `chat_template` (a string, or a list of
  // {name, template}, of which "default" is taken). NOT_FOUND when the folder has none;
  // INVALID_ARGUMENT for a template that does not parse.
  static absl::StatusOr<std::unique_ptr<ChatTemplate>> Load(const std::string& folder);
  static absl::StatusOr<std::unique_ptr<ChatTemplate>> Parse(absl::string_view source,
                                                             const Json& tokenizer_config);

  struct Options {
    bool add_generation_prompt = true;
    // Local time for strftime_now, seconds since the epoch; the present when absent.
    std::optional<int64_t> now;
    Json tools = nullptr;  // a list, or null: none
  };
  // INVALID_ARGUMENT with the template's own words when it calls raise_exception,
  // RESOURCE_EXHAUSTED when it passes a cap on steps or output. What comes from the messages and
  // the tools is marked as typed by a user in the result.
  absl::StatusOr<MarkedText> Render(const std::vector<ChatMessage>& messages,
                                    const Options& options) const;

  // Whether the template has the word as a name or within a string: one that does nothing with
  // "tools" has it nowhere.
  bool Mentions(absl::string_view word) const;

 private:
  struct Impl;
  explicit ChatTemplate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_CHAT_TEMPLATE_H_
