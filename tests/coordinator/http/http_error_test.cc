#include "coordinator/http/http_error.h"

#include "gtest/gtest.h"

namespace gantry {
namespace {

TEST(HttpErrorTest, StatusesGetTheCodesThatClientsActOn) {
  const struct {
    absl::Status status;
    int http;
    const char* type;
    bool retry;
  } cases[] = {
      {absl::InvalidArgumentError("x"), 400, "invalid_request_error", false},
      {absl::FailedPreconditionError("x"), 400, "invalid_request_error", false},
      {absl::UnauthenticatedError("x"), 401, "authentication_error", false},
      {absl::PermissionDeniedError("x"), 403, "permission_error", false},
      {absl::NotFoundError("x"), 404, "not_found_error", false},
      {absl::ResourceExhaustedError("x"), 429, "rate_limit_error", true},
      {absl::InternalError("x"), 500, "server_error", false},
      {absl::UnavailableError("x"), 503, "unavailable_error", true},
      {absl::DeadlineExceededError("x"), 504, "timeout_error", false},
  };
  for (const auto& one : cases) {
    const HttpError error = ToHttpError(one.status);
    EXPECT_EQ(error.status, one.http);
    EXPECT_EQ(error.type, one.type);
    EXPECT_EQ(error.retry_after > absl::ZeroDuration(), one.retry) << one.status;
  }
}

TEST(HttpErrorTest, TheFieldAtFaultIsTheParam) {
  EXPECT_EQ(ToHttpError(absl::InvalidArgumentError("top_p: expected 1")).param, "top_p");
  EXPECT_EQ(ToHttpError(absl::InvalidArgumentError("messages[2].content[0].type: no")).param,
            "messages[2].content[0].type");
  EXPECT_EQ(ToHttpError(absl::InvalidArgumentError("the body is no JSON: byte 3")).param, "");
  EXPECT_EQ(ToHttpError(absl::InternalError("top_p: lost")).param, "");
}

TEST(HttpErrorTest, BodyAndRetryTimesAreOpenAis) {
  const absl::Status status =
      WithRetryAfter(WithCode(absl::ResourceExhaustedError("too \"many\" \xff"), "slow_down"),
                     absl::Milliseconds(1500));
  const HttpResponse response = ErrorResponse(status);
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.body,
            "{\"error\":{\"message\":\"too \\\"many\\\" \xef\xbf\xbd\",\"type\":"
            "\"rate_limit_error\",\"param\":null,\"code\":\"slow_down\"}}\n");
  EXPECT_EQ(response.headers, (HttpHeaders{{"Retry-After", "2"}, {"Retry-After-Ms", "1500"}}));
}

}  // namespace
}  // namespace gantry
