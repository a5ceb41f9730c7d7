#include "base/log.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/json.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

namespace gantry {
namespace {

using spdlog::level::level_enum;

std::atomic<bool> json_format = false;

std::string Quoted(absl::string_view text) { return DumpJson(Json(std::string(text))); }

bool NeedsQuotes(absl::string_view text) {
  return text.empty() || std::any_of(text.begin(), text.end(), [](char c) {
           return !absl::ascii_isgraph(c) || c == '"' || c == '=';
         });
}

std::string FiniteNumber(double number) {
  return std::isfinite(number) ? absl::StrFormat("%.6g", number) : "null";
}

spdlog::logger& Logger() {
  // Never destroyed: threads may still log while the process exits.
  static spdlog::logger* logger = [] {
    auto* made = new spdlog::logger("", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
    return made;
  }();
  return *logger;
}

// The pattern puts what a line of JSON has besides this around it.
void Log(level_enum level, absl::string_view message, const LogFields& fields = {}) {
  if (!Logger().should_log(level)) return;
  const bool json = json_format;
  std::string line = json ? absl::StrCat("\"message\":", Quoted(message)) : std::string(message);
  for (const LogField& field : fields) {
    if (json) {
      absl::StrAppend(&line, ",\"", field.name(), "\":", field.json());
    } else {
      absl::StrAppend(&line, " ", field.name(), "=", field.text());
    }
  }
  Logger().log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

LogField::LogField(absl::string_view name, absl::string_view text)
    : name_(name), json_(Quoted(text)), text_(NeedsQuotes(text) ? json_ : std::string(text)) {}

LogField::LogField(absl::string_view name, int64_t number)
    : name_(name), json_(absl::StrCat(number)), text_(json_) {}

LogField::LogField(absl::string_view name, double number)
    : name_(name), json_(FiniteNumber(number)), text_(json_) {}

bool InitLog(const LogOptions& options) {
  const std::string level(options.level);
  const level_enum parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off) return false;
  if (options.format != "text" && options.format != "json") return false;
  const std::string program(options.program);
  json_format = options.format == "json";
  Logger().set_pattern(json_format
                           ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","program":")" +
                                 program + R"(",%v})"
                           : "%Y-%m-%dT%H:%M:%S.%e %^%l%$ " + program + " %v");
  Logger().set_level(parsed);
  Logger().flush_on(spdlog::level::debug);
  return true;
}

void LogInfo(absl::string_view message, const LogFields& fields) {
  Log(level_enum::info, message, fields);
}
void LogWarning(absl::string_view message, const LogFields& fields) {
  Log(level_enum::warn, message, fields);
}

void LogDebug(absl::string_view message) { Log(level_enum::debug, message); }
void LogInfo(absl::string_view message) { Log(level_enum::info, message); }
void LogWarning(absl::string_view message) { Log(level_enum::warn, message); }
void LogError(absl::string_view message) { Log(level_enum::err, message); }

}  // namespace gantry
