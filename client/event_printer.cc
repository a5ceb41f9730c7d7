#include "client/event_printer.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/json.h"
#include "proto/message_json.h"

namespace gantry {
namespace {

class TextPrinter : public EventPrinter {
 public:
  explicit TextPrinter(Output* output) : output_(output) {}
  absl::Status Print(const v1::GenerateResponse& event) override {
    return output_->Write(event.has_finish() ? event.finish().text() : event.token().text());
  }

 private:
  Output* const output_;
};

std::string LogprobLine(absl::string_view indent, float logprob, int32_t token_id,
                        const std::string& text) {
  return absl::StrFormat("%s%10.5f  %7d  %s\n", indent, logprob, token_id, DumpJson(Json(text)));
}

class LogprobPrinter : public EventPrinter {
 public:
  explicit LogprobPrinter(Output* output) : output_(output) {}
  absl::Status Print(const v1::GenerateResponse& event) override {
    if (event.has_finish()) {
      return output_->Write(absl::StrCat(FinishReasonName(event.finish().reason()), "\n"));
    }
    const v1::GeneratedToken& token = event.token();
    std::string lines = LogprobLine("", token.logprob(), token.token_id(), token.text());
    for (const v1::TopLogprob& top : token.top_logprobs()) {
      absl::StrAppend(&lines, LogprobLine("    ", top.logprob(), top.token_id(), top.text()));
    }
    return output_->Write(lines);
  }

 private:
  Output* const output_;
};

class JsonPrinter : public EventPrinter {
 public:
  JsonPrinter(Output* output, bool logprobs) : output_(output), logprobs_(logprobs) {}
  absl::Status Print(const v1::GenerateResponse& event) override {
    const Json json =
        event.has_finish() ? FinishJson(event.finish()) : TokenJson(event.token(), logprobs_);
    return output_->Write(DumpJson(json) + "\n");
  }

 private:
  Output* const output_;
  const bool logprobs_;
};

}  // namespace

std::unique_ptr<EventPrinter> MakeEventPrinter(EventFormat format, Output* output) {
  switch (format) {
    case EventFormat::kText:
      return std::make_unique<TextPrinter>(output);
    case EventFormat::kLogprobs:
      return std::make_unique<LogprobPrinter>(output);
    case EventFormat::kJson:
      return std::make_unique<JsonPrinter>(output, /*logprobs=*/true);
    case EventFormat::kJsonWithoutLogprobs:
      return std::make_unique<JsonPrinter>(output, /*logprobs=*/false);
  }
  return nullptr;
}

}  // namespace gantry
