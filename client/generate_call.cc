#include "client/generate_call.h"

#include "absl/strings/str_cat.h"

namespace gantry {

CallOptions MakeCallOptions(const GenerateOptions& options, Cancellation* cancellation,
                            Output* errors) {
  CallOptions call{.timeout = options.timeout, .cancellation = cancellation};
  call.retry_for = options.retry_for;
  call.on_break = [retry_for = options.retry_for, errors](const absl::Status& why) {
    // The answer may have come to the middle of a line.
    errors
        ->Write(absl::StrCat(errors->terminal() ? "\n" : "", "generate: ", why.ToString(),
                             "; asking again for ", absl::FormatDuration(retry_for),
                             " (--retry_for)\n"))
        .IgnoreError();
  };
  return call;
}

}  // namespace gantry
