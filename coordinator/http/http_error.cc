#include "coordinator/http/http_error.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/utf8.h"

namespace gantry {
namespace {

constexpr char kCode[] = "gantry/http_code";
constexpr char kRetryAfterMs[] = "gantry/http_retry_after_ms";

// A worker that was lost is replaced, or its model placed anew, within seconds.
constexpr absl::Duration kRetryUnavailable = absl::Seconds(2);
constexpr absl::Duration kRetryQueueFull = absl::Seconds(1);
constexpr size_t kMaxParamBytes = 64;

std::string Payload(const absl::Status& status, absl::string_view name) {
  const absl::optional<absl::Cord> payload = status.GetPayload(name);
  return payload.has_value() ? std::string(*payload) : std::string();
}

// "temperature" of "temperature: expected ...".
std::string ParamOf(absl::string_view message) {
  const size_t colon = message.find(": ");
  if (colon == absl::string_view::npos || colon > kMaxParamBytes) return "";
  const absl::string_view name = message.substr(0, colon);
  const bool is_field = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '[' || c == ']';
  });
  return is_field ? std::string(name) : "";
}

int HttpStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:  // by the coordinator, which is ending
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

absl::string_view TypeOf(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 500:
      return "server_error";
    case 503:
      return "unavailable_error";
    case 504:
      return "timeout_error";
    default:
      return "invalid_request_error";
  }
}

}  // namespace

HttpError MakeHttpError(int status, absl::string_view message) {
  HttpError error;
  error.status = status;
  error.type = std::string(TypeOf(status));
  error.message = ReplaceInvalidUtf8(message);
  return error;
}

HttpError ToHttpError(const absl::Status& status) {
  HttpError error = MakeHttpError(HttpStatus(status.code()), status.message());
  if (error.status == 400) error.param = ParamOf(status.message());
  if (error.status == 429) error.retry_after = kRetryQueueFull;
  if (error.status == 503) error.retry_after = kRetryUnavailable;
  error.code = Payload(status, kCode);
  int64_t ms;
  if (absl::SimpleAtoi(Payload(status, kRetryAfterMs), &ms)) {
    error.retry_after = absl::Milliseconds(ms);
  }
  return error;
}

absl::Status WithCode(absl::Status status, absl::string_view code) {
  status.SetPayload(kCode, absl::Cord(code));
  return status;
}

absl::Status WithRetryAfter(absl::Status status, absl::Duration after) {
  status.SetPayload(kRetryAfterMs, absl::Cord(absl::StrCat(absl::ToInt64Milliseconds(after))));
  return status;
}

Json ErrorJson(const HttpError& error) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
  };
  return Json{{"error", Json{{"message", error.message},
                             {"type", error.type},
                             {"param", or_null(error.param)},
                             {"code", or_null(error.code)}}}};
}

HttpResponse ErrorResponse(const HttpError& error) {
  HttpResponse response;
  response.status = error.status;
  response.body = absl::StrCat(DumpJson(ErrorJson(error)), "\n");
  if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (error.retry_after > absl::ZeroDuration()) {
    const int64_t ms = absl::ToInt64Milliseconds(error.retry_after);
    response.headers.emplace_back("Retry-After", absl::StrCat((ms + 999) / 1000));
    response.headers.emplace_back("Retry-After-Ms", absl::StrCat(ms));
  }
  return response;
}

HttpResponse ErrorResponse(const absl::Status& status) {
  return ErrorResponse(ToHttpError(status));
}

}  // namespace gantry
