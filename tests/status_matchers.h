#ifndef GANTRY_TESTS_STATUS_MATCHERS_H_
#define GANTRY_TESTS_STATUS_MATCHERS_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry {

inline const absl::Status& GetStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

// EXPECT_THAT(status_or_statusor, IsOk())
MATCHER(IsOk, "is OK") {
  *result_listener << GetStatus(arg).ToString();
  return GetStatus(arg).ok();
}

// EXPECT_THAT(status_or_statusor, StatusIs(absl::StatusCode::kNotFound, HasSubstr("tensor")))
MATCHER_P2(StatusIs, code, message, "has the status code and message") {
  const absl::Status& status = GetStatus(arg);
  *result_listener << status.ToString();
  return status.code() == code &&
         ::testing::ExplainMatchResult(message, std::string(status.message()), result_listener);
}

#define GANTRY_ASSERT_OK(expr) ASSERT_THAT(expr, ::gantry::IsOk())
#define GANTRY_EXPECT_OK(expr) EXPECT_THAT(expr, ::gantry::IsOk())
#define GANTRY_ASSERT_OK_AND_ASSIGN(lhs, expr) \
  GANTRY_ASSERT_OK_AND_ASSIGN_IMPL_(GANTRY_TEST_CONCAT_(or_, __LINE__), lhs, expr)
#define GANTRY_ASSERT_OK_AND_ASSIGN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                                      \
  ASSERT_TRUE(tmp.ok()) << tmp.status();                  \
  lhs = *std::move(tmp)
#define GANTRY_TEST_CONCAT_(a, b) GANTRY_TEST_CONCAT_IMPL_(a, b)
#define GANTRY_TEST_CONCAT_IMPL_(a, b) a##b

}  // namespace gantry

#endif  // GANTRY_TESTS_STATUS_MATCHERS_H_
