#include "client/event_printer.h"

#include <deque>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "proto/message_json.h"

namespace gantry {
namespace {

int AnswerOf(const v1::GenerateResponse& event) {
  return event.has_finish() ? event.finish().sequence_index() : event.token().sequence_index();
}

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
  JsonPrinter(Output* output, bool logprobs, bool several)
      : output_(output), logprobs_(logprobs), several_(several) {}
  absl::Status Print(const v1::GenerateResponse& event) override {
    Json json =
        event.has_finish() ? FinishJson(event.finish()) : TokenJson(event.token(), logprobs_);
    if (several_) json["sequence_index"] = AnswerOf(event);
    return output_->Write(DumpJson(json) + "\n");
  }

 private:
  Output* const output_;
  const bool logprobs_;
  const bool several_;
};

// Prints one answer as it comes and keeps the others until it has finished.
class InOrderPrinter : public EventPrinter {
 public:
  InOrderPrinter(std::unique_ptr<EventPrinter> printer, Output* output)
      : printer_(std::move(printer)), output_(output) {}
  absl::Status Print(const v1::GenerateResponse& event) override {
    kept_[AnswerOf(event)].push_back(event);
    while (!kept_[current_].empty()) {
      const v1::GenerateResponse next = std::move(kept_[current_].front());
      kept_[current_].pop_front();
      // What follows comes when it is known to follow.
      if (begins_ && current_ > 0) GANTRY_RETURN_IF_ERROR(output_->Write("\n\n"));
      begins_ = next.has_finish();
      GANTRY_RETURN_IF_ERROR(printer_->Print(next));
      if (next.has_finish()) ++current_;
    }
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<EventPrinter> printer_;
  Output* const output_;
  std::map<int, std::deque<v1::GenerateResponse>> kept_;
  int current_ = 0;
  bool begins_ = false;
};

std::unique_ptr<EventPrinter> MakeOnePrinter(EventFormat format, bool several, Output* output) {
  switch (format) {
    case EventFormat::kText:
      return std::make_unique<TextPrinter>(output);
    case EventFormat::kLogprobs:
      return std::make_unique<LogprobPrinter>(output);
    case EventFormat::kJson:
      return std::make_unique<JsonPrinter>(output, /*logprobs=*/true, several);
    case EventFormat::kJsonWithoutLogprobs:
      return std::make_unique<JsonPrinter>(output, /*logprobs=*/false, several);
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<EventPrinter> MakeEventPrinter(EventFormat format, int answers, Output* output) {
  const bool several = answers > 1;
  std::unique_ptr<EventPrinter> printer = MakeOnePrinter(format, several, output);
  const bool json = format == EventFormat::kJson || format == EventFormat::kJsonWithoutLogprobs;
  if (!several || json) return printer;
  return std::make_unique<InOrderPrinter>(std::move(printer), output);
}

}  // namespace gantry
