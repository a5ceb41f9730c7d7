#include "coordinator/http/allowed_hosts.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/utf8.h"

namespace gantry {
namespace {

constexpr size_t kMaxShownBytes = 80;

// "host" of "HOST:PORT" or "HOST", in lower case and without brackets.
std::string NameOf(absl::string_view host) {
  if (!host.empty() && host[0] == '[') {
    return absl::AsciiStrToLower(host.substr(1, host.find(']') - 1));
  }
  return absl::AsciiStrToLower(host.substr(0, host.find(':')));
}

bool IsIpAddress(const std::string& name) {
  in6_addr address;
  return inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

std::string Shown(absl::string_view text) {
  return ReplaceInvalidUtf8(text.substr(0, kMaxShownBytes));
}

}  // namespace

AllowedHosts::AllowedHosts(absl::string_view listen, const std::vector<std::string>& more) {
  names_ = {"localhost", NameOf(listen)};
  for (const std::string& name : more) names_.push_back(absl::AsciiStrToLower(name));
}

absl::Status AllowedHosts::Check(absl::string_view host, absl::string_view origin) const {
  const std::string name = NameOf(host);
  const bool known = std::find(names_.begin(), names_.end(), name) != names_.end();
  if (!known && !IsIpAddress(name) && !absl::EndsWith(name, ".localhost")) {
    return absl::PermissionDeniedError(
        absl::StrCat("the Host \"", Shown(host),
                     "\" is not known here; --http_allowed_hosts of the coordinator adds names"));
  }
  absl::string_view site = origin;
  if (!absl::ConsumePrefix(&site, "http://")) absl::ConsumePrefix(&site, "https://");
  if (!origin.empty() && !absl::EqualsIgnoreCase(site, host)) {
    return absl::PermissionDeniedError(
        absl::StrCat("pages of \"", Shown(origin), "\" may not call this server"));
  }
  return absl::OkStatus();
}

}  // namespace gantry
