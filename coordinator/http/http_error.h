#ifndef GANTRY_COORDINATOR_HTTP_HTTP_ERROR_H_
#define GANTRY_COORDINATOR_HTTP_HTTP_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/json.h"
#include "coordinator/http/http_message.h"

namespace gantry {

// Errors as OpenAI's API has them: a status and {"error":{"message","type","param","code"}}. Its
// clients try again after 408, 409, 429 and 5xx, so that what no retry can mend is another 4xx.
struct HttpError {
  int status = 500;
  std::string type;   // "invalid_request_error"
  std::string param;  // the field at fault; empty: null
  std::string code;   // "model_not_found"; empty: null
  std::string message;
  absl::Duration retry_after;  // zero: no such header
};

// The error of a status. INVALID_ARGUMENT messages "FIELD: ..." name the param; what WithCode and
// WithRetryAfter have added counts, too.
HttpError ToHttpError(const absl::Status& status);
// For what has no counterpart among the codes of absl::Status.
HttpError MakeHttpError(int status, absl::string_view message);

absl::Status WithCode(absl::Status status, absl::string_view code);
absl::Status WithRetryAfter(absl::Status status, absl::Duration after);

Json ErrorJson(const HttpError& error);
HttpResponse ErrorResponse(const HttpError& error);
HttpResponse ErrorResponse(const absl::Status& status);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_HTTP_ERROR_H_
