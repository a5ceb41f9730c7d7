#ifndef GANTRY_CLIENT_EVENT_PRINTER_H_
#define GANTRY_CLIENT_EVENT_PRINTER_H_

#include <memory>

#include "absl/status/status.h"
#include "client/output.h"
#include "proto/inference.pb.h"

namespace gantry {

// Writes the events of one Generate call as they come.
class EventPrinter {
 public:
  virtual ~EventPrinter() = default;
  virtual absl::Status Print(const v1::GenerateResponse& event) = 0;
};

enum class EventFormat {
  kText,      // the text alone
  kLogprobs,  // a line a token: log-probability, id, quoted text; alternatives below it
  kJson,      // a JSON object a line, as `generate --help` says
  kJsonWithoutLogprobs,
};

// Of `answers` answers to the one prompt: JSON tells by "sequence_index" of which each line is;
// text has them one after the other, with an empty line between them. `output` outlives the
// printer.
std::unique_ptr<EventPrinter> MakeEventPrinter(EventFormat format, int answers, Output* output);

}  // namespace gantry

#endif  // GANTRY_CLIENT_EVENT_PRINTER_H_
