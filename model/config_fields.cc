#include "model/config_fields.h"

#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

constexpr size_t kMaxExcerpt = 100;
constexpr int64_t kMaxTokenId = std::numeric_limits<int32_t>::max();

absl::StatusOr<int32_t> TokenId(const Json& value, absl::string_view key) {
  // Numbers that are read from text and not negative are unsigned.
  if (value.is_number_unsigned() && value.get<uint64_t>() <= kMaxTokenId) {
    return static_cast<int32_t>(value.get<uint64_t>());
  }
  return WrongField(key, absl::StrCat("a token id in [0, ", kMaxTokenId, "] or a list of them"),
                    ExcerptJson(value));
}

}  // namespace

std::string ExcerptJson(const Json& value) { return Excerpt(absl::string_view(DumpJson(value))); }

std::string Excerpt(absl::string_view text) {
  if (text.size() <= kMaxExcerpt) return absl::Utf8SafeCEscape(text);
  return absl::StrCat(absl::Utf8SafeCEscape(text.substr(0, kMaxExcerpt)), "...");
}

absl::Status WrongField(absl::string_view field, absl::string_view expected,
                        absl::string_view found) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": expected ", expected, ", found ", found));
}

absl::StatusOr<std::vector<int32_t>> GetTokenIds(const Json& json, absl::string_view key) {
  std::vector<int32_t> ids;
  const Json* member = FindMember(json, key);
  if (member == nullptr) return ids;
  if (!member->is_array()) {
    GANTRY_ASSIGN_OR_RETURN(const int32_t id, TokenId(*member, key));
    ids.push_back(id);
    return ids;
  }
  for (const Json& element : *member) {
    GANTRY_ASSIGN_OR_RETURN(const int32_t id, TokenId(element, key));
    ids.push_back(id);
  }
  return ids;
}

}  // namespace gantry
