#ifndef GANTRY_BASE_LOG_H_
#define GANTRY_BASE_LOG_H_

#include "absl/strings/string_view.h"

namespace gantry {

// Logs go to stderr, one line each: time, level, program, message. Thread-safe. Before InitLog
// they are written with the level "info" and no program name.
struct LogOptions {
  absl::string_view program;
  absl::string_view level = "info";   // debug, info, warning, error
  absl::string_view format = "text";  // text, json
};
// False when level or format is none of the above.
bool InitLog(const LogOptions& options);

void LogDebug(absl::string_view message);
void LogInfo(absl::string_view message);
void LogWarning(absl::string_view message);
void LogError(absl::string_view message);

}  // namespace gantry

#endif  // GANTRY_BASE_LOG_H_
