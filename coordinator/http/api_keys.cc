#include "coordinator/http/api_keys.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "openssl/crypto.h"
#include "openssl/sha.h"

namespace gantry {
namespace {

constexpr uint64_t kMaxFileBytes = 1 << 20;
constexpr size_t kMaxNameBytes = 64;
constexpr absl::string_view kScheme = "Bearer ";

bool IsName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '@';
         });
}

}  // namespace

absl::StatusOr<ApiKeys> ApiKeys::Load(const std::string& path) {
  GANTRY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  return Parse(text, path);
}

absl::StatusOr<ApiKeys> ApiKeys::Parse(absl::string_view text, absl::string_view origin) {
  ApiKeys keys;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    // What stands there is not repeated: it may be a key that somebody forgot to hash.
    const auto wrong = [&](absl::string_view expected) {
      return absl::InvalidArgumentError(absl::StrCat(origin, ":", number, ": expected ", expected));
    };
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (!IsName(parts.first) || parts.second.size() != 2 * sizeof(Digest) ||
        !std::all_of(parts.second.begin(), parts.second.end(), absl::ascii_isxdigit)) {
      return wrong(
          "NAME:HASH, a name of letters, digits and -_.@ and the key's SHA-256 in 64 hexadecimal "
          "digits, as of printf %s KEY | sha256sum");
    }
    for (const Key& key : keys.keys_) {
      if (key.name == parts.first) return wrong("a name that no line before has");
    }
    const std::string bytes = absl::HexStringToBytes(parts.second);
    Key& key = keys.keys_.emplace_back();
    key.name = std::string(parts.first);
    std::copy(bytes.begin(), bytes.end(), key.digest.begin());
  }
  if (keys.keys_.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(origin, ": expected at least one key"));
  }
  return keys;
}

absl::StatusOr<std::string> ApiKeys::Authenticate(absl::string_view authorization) const {
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) {
    return absl::UnauthenticatedError(
        "an API key is needed: send the header \"Authorization: Bearer KEY\"");
  }
  const absl::string_view given = absl::StripAsciiWhitespace(authorization.substr(kScheme.size()));
  Digest digest;
  SHA256(reinterpret_cast<const uint8_t*>(given.data()), given.size(), digest.data());
  const Key* found = nullptr;
  for (const Key& key : keys_) {
    if (CRYPTO_memcmp(key.digest.data(), digest.data(), digest.size()) == 0) found = &key;
  }
  if (found == nullptr) return absl::UnauthenticatedError("the API key is not known here");
  return found->name;
}

}  // namespace gantry
