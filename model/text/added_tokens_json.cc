#include "model/text/added_tokens_json.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/limits.h"

namespace gantry {
namespace {

absl::StatusOr<AddedToken> ParseAddedToken(const Json& json) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat("expected an object, found ", json.type_name()));
  }
  AddedToken token;
  GANTRY_ASSIGN_OR_RETURN(token.id, GetInt(json, "id", 0, kMaxTokenId));
  GANTRY_ASSIGN_OR_RETURN(token.content, GetString(json, "content"));
  GANTRY_ASSIGN_OR_RETURN(token.single_word, GetBoolOr(json, "single_word", false));
  GANTRY_ASSIGN_OR_RETURN(token.lstrip, GetBoolOr(json, "lstrip", false));
  GANTRY_ASSIGN_OR_RETURN(token.rstrip, GetBoolOr(json, "rstrip", false));
  GANTRY_ASSIGN_OR_RETURN(token.special, GetBoolOr(json, "special", false));
  GANTRY_ASSIGN_OR_RETURN(token.normalized, GetBoolOr(json, "normalized", !token.special));
  if (token.content.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("the token of id ", token.id, " is empty"));
  }
  return token;
}

}  // namespace

absl::StatusOr<std::vector<AddedToken>> ParseAddedTokens(const Json* json) {
  std::vector<AddedToken> tokens;
  if (json == nullptr) return tokens;
  if (!json->is_array()) return absl::InvalidArgumentError("added_tokens: expected an array");
  if (json->size() > kMaxAddedTokens) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "added_tokens: ", json->size(), " entries, at most ", kMaxAddedTokens, " are allowed"));
  }
  absl::flat_hash_set<int32_t> ids;
  absl::flat_hash_set<std::string> contents;
  for (const Json& entry : *json) {
    absl::StatusOr<AddedToken> token = ParseAddedToken(entry);
    if (!token.ok()) {
      return Annotate(token.status(), absl::StrCat("added_tokens[", tokens.size(), "]"));
    }
    if (!ids.insert(token->id).second || !contents.insert(token->content).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("added_tokens[", tokens.size(), "]: the id ", token->id, " or the token \"",
                       absl::CHexEscape(token->content.substr(0, 200)), "\" is given twice"));
    }
    tokens.push_back(*std::move(token));
  }
  return tokens;
}

}  // namespace gantry
