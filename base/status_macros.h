#ifndef GANTRY_BASE_STATUS_MACROS_H_
#define GANTRY_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status of `expr` from the enclosing function unless it is OK.
#define GANTRY_RETURN_IF_ERROR(expr)                                                    \
  do {                                                                                  \
    if (absl::Status gantry_status = (expr); !gantry_status.ok()) return gantry_status; \
  } while (false)

// Evaluates `expr` (an absl::StatusOr) and returns its status, or assigns its value to `lhs`.
#define GANTRY_ASSIGN_OR_RETURN(lhs, expr) \
  GANTRY_ASSIGN_OR_RETURN_IMPL_(GANTRY_CONCAT_(gantry_or_, __LINE__), lhs, expr)
#define GANTRY_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                                  \
  if (!tmp.ok()) return std::move(tmp).status();      \
  lhs = *std::move(tmp)
#define GANTRY_CONCAT_(a, b) GANTRY_CONCAT_IMPL_(a, b)
#define GANTRY_CONCAT_IMPL_(a, b) a##b

namespace gantry {

// `status` with "context: " put before its message; OK stays OK.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

}  // namespace gantry

#endif  // GANTRY_BASE_STATUS_MACROS_H_
