#include "base/log.h"

#include <memory>
#include <string>

#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

namespace gantry {
namespace {

spdlog::string_view_t View(absl::string_view text) { return {text.data(), text.size()}; }

// Escapes what JSON does not allow inside a string.
class JsonMessageFlag : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    for (char c : message.payload) {
      if (c == '"' || c == '\\') out.push_back('\\');
      if (static_cast<unsigned char>(c) < 0x20) {
        char escaped[8];
        snprintf(escaped, sizeof(escaped), "\\u%04x", c);
        out.append(escaped, escaped + 6);
      } else {
        out.push_back(c);
      }
    }
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessageFlag>();
  }
};

spdlog::logger& Logger() {
  // Never destroyed: threads may still log while the process exits.
  static spdlog::logger* logger = [] {
    auto* made = new spdlog::logger("", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
    return made;
  }();
  return *logger;
}

}  // namespace

bool InitLog(const LogOptions& options) {
  const std::string level(options.level);
  const spdlog::level::level_enum parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off) return false;
  if (options.format != "text" && options.format != "json") return false;
  const std::string program(options.program);
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  if (options.format == "json") {
    formatter->add_flag<JsonMessageFlag>('*').set_pattern(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","program":")" + program +
        R"(","message":"%*"})");
  } else {
    formatter->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ " + program + " %v");
  }
  Logger().set_formatter(std::move(formatter));
  Logger().set_level(parsed);
  Logger().flush_on(spdlog::level::debug);
  return true;
}

void LogDebug(absl::string_view message) { Logger().debug(View(message)); }
void LogInfo(absl::string_view message) { Logger().info(View(message)); }
void LogWarning(absl::string_view message) { Logger().warn(View(message)); }
void LogError(absl::string_view message) { Logger().error(View(message)); }

}  // namespace gantry
