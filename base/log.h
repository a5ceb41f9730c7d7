#ifndef GANTRY_BASE_LOG_H_
#define GANTRY_BASE_LOG_H_

#include <cstdint>
#include <string>
#include <vector>

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

// What a line says besides its message: as text name=value, in JSON a member of its own.
class LogField {
 public:
  LogField(absl::string_view name, absl::string_view text);
  LogField(absl::string_view name, int64_t number);
  LogField(absl::string_view name, double number);

  const std::string& name() const { return name_; }
  // A JSON value.
  const std::string& json() const { return json_; }
  // The same, but for a text that can do without quotation marks.
  const std::string& text() const { return text_; }

 private:
  std::string name_;
  std::string json_;
  std::string text_;
};
using LogFields = std::vector<LogField>;

// The names of fields are none of "time", "level", "program" and "message".
void LogInfo(absl::string_view message, const LogFields& fields);
void LogWarning(absl::string_view message, const LogFields& fields);

void LogDebug(absl::string_view message);
void LogInfo(absl::string_view message);
void LogWarning(absl::string_view message);
void LogError(absl::string_view message);

}  // namespace gantry

#endif  // GANTRY_BASE_LOG_H_
