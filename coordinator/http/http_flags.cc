#include "coordinator/http/http_flags.h"

#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/flags.h"
#include "base/status_macros.h"

ABSL_FLAG(
    std::string, http, "",
    "HOST:PORT to serve OpenAI's API over HTTP on, such as 127.0.0.1:8000, and at / a page to "
    "chat and to look at the cluster. Plain text, and so on loopback only, unless "
    "--insecure_allow_remote.");
ABSL_FLAG(std::string, http_allowed_hosts, "",
          "Names, by commas, that HTTP requests may give as Host besides localhost, addresses and "
          "the host of --http.");
ABSL_FLAG(std::string, served_model_name, "",
          "What HTTP clients call the model; --model unless given.");
ABSL_FLAG(std::string, api_key_file, "",
          "File of the API keys that HTTP requests need, hashed, a line NAME:SHA256 each, as of "
          "printf %s KEY | sha256sum. Read anew at SIGHUP.");
ABSL_FLAG(int64_t, api_key_requests_per_minute, 0, "Of one API key; 0: no limit.");
ABSL_FLAG(int64_t, api_key_tokens_per_minute, 0,
          "Of prompts and answers of one API key; 0: no limit.");
ABSL_FLAG(int64_t, api_key_concurrency, 0, "Requests of one API key at once; 0: no limit.");

namespace gantry {
namespace {

constexpr int64_t kMaxPerMinute = int64_t{1} << 40;

}  // namespace

absl::StatusOr<HttpOptions> HttpOptionsFromFlags() {
  HttpOptions options;
  options.listen = absl::GetFlag(FLAGS_http);
  options.allowed_hosts =
      absl::StrSplit(absl::GetFlag(FLAGS_http_allowed_hosts), ',', absl::SkipWhitespace());
  options.model_name = absl::GetFlag(FLAGS_served_model_name);
  options.api_key_file = absl::GetFlag(FLAGS_api_key_file);
  options.key_limits = {absl::GetFlag(FLAGS_api_key_requests_per_minute),
                        absl::GetFlag(FLAGS_api_key_tokens_per_minute),
                        absl::GetFlag(FLAGS_api_key_concurrency)};
  const bool any = !options.allowed_hosts.empty() || !options.model_name.empty() ||
                   !options.api_key_file.empty();
  if (options.listen.empty() && any) {
    return absl::InvalidArgumentError(
        "--http: expected HOST:PORT where --http_allowed_hosts, --served_model_name or "
        "--api_key_file is given");
  }
  const KeyLimits& limits = options.key_limits;
  for (const auto& [flag, value] : {std::pair("requests_per_minute", limits.requests_per_minute),
                                    std::pair("tokens_per_minute", limits.tokens_per_minute),
                                    std::pair("concurrency", limits.concurrent_requests)}) {
    const std::string name = absl::StrCat("api_key_", flag);
    GANTRY_RETURN_IF_ERROR(CheckFlagRange(name, value, 0, kMaxPerMinute));
    if (value > 0 && options.api_key_file.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", name, ": expected --api_key_file beside it"));
    }
  }
  return options;
}

}  // namespace gantry
