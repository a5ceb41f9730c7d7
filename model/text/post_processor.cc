#include "model/text/post_processor.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/json_kind.h"
#include "model/text/limits.h"

namespace gantry {
namespace {

constexpr size_t kMaxTemplateIds = 256;

using SpecialTokens = absl::flat_hash_map<std::string, std::vector<int32_t>>;

absl::StatusOr<SpecialTokens> ParseSpecialTokens(const Json& processor) {
  SpecialTokens tokens;
  const Json* json = FindMember(processor, "special_tokens");
  if (json == nullptr) return tokens;
  if (!json->is_object()) return absl::InvalidArgumentError("special_tokens: expected an object");
  for (const auto& member : json->items()) {
    const Json* ids = FindMember(member.value(), "ids");
    if (ids == nullptr || !ids->is_array() || ids->size() > kMaxTemplateIds) {
      return absl::InvalidArgumentError(
          absl::StrCat("special_tokens \"", absl::CHexEscape(member.key()),
                       "\": expected an array ids of at most ", kMaxTemplateIds));
    }
    std::vector<int32_t>& list = tokens[member.key()];
    for (const Json& id : *ids) {
      const int64_t value = id.is_number_integer() ? id.get<int64_t>() : -1;
      if (value < 0 || value > kMaxTokenId) {
        return absl::InvalidArgumentError(
            absl::StrCat("special_tokens \"", absl::CHexEscape(member.key()),
                         "\": expected ids in [0, ", kMaxTokenId, "], found ", DumpJson(id)));
      }
      list.push_back(static_cast<int32_t>(value));
    }
  }
  return tokens;
}

absl::Status ParseTemplate(const Json& processor, PostProcessor* out) {
  GANTRY_ASSIGN_OR_RETURN(const SpecialTokens tokens, ParseSpecialTokens(processor));
  const Json* single = FindMember(processor, "single");
  if (single == nullptr || !single->is_array()) {
    return absl::InvalidArgumentError("single: expected an array");
  }
  std::vector<int32_t> before;
  std::vector<int32_t> after;
  bool text_seen = false;
  for (const Json& part : *single) {
    if (FindMember(part, "Sequence") != nullptr) {
      if (text_seen) return absl::UnimplementedError("single: the text twice is not supported");
      text_seen = true;
      continue;
    }
    const Json* special = FindMember(part, "SpecialToken");
    if (special == nullptr) {
      return absl::InvalidArgumentError("single: expected Sequence or SpecialToken");
    }
    GANTRY_ASSIGN_OR_RETURN(const std::string name, GetString(*special, "id"));
    const auto token = tokens.find(name);
    if (token == tokens.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("single: \"", absl::CHexEscape(name), "\" is not among special_tokens"));
    }
    std::vector<int32_t>& ids = text_seen ? after : before;
    ids.insert(ids.end(), token->second.begin(), token->second.end());
    if (ids.size() > kMaxTemplateIds) {
      return absl::ResourceExhaustedError(
          absl::StrCat("single: more than ", kMaxTemplateIds, " ids"));
    }
  }
  if (!text_seen) return absl::InvalidArgumentError("single: has no Sequence, the text");
  // Of several templates each later one goes around what the earlier ones made.
  out->before.insert(out->before.begin(), before.begin(), before.end());
  out->after.insert(out->after.end(), after.begin(), after.end());
  return absl::OkStatus();
}

// BERT's [CLS] and [SEP], RoBERTa's <s> and </s>: ["TOKEN", ID] each.
absl::Status ParseClsAndSep(const Json& processor, PostProcessor* out) {
  int32_t ids[2];
  for (const int i : {0, 1}) {
    const char* key = i == 0 ? "cls" : "sep";
    const Json* pair = FindMember(processor, key);
    int64_t id = -1;
    if (pair != nullptr && pair->is_array() && pair->size() == 2 &&
        (*pair)[1].is_number_integer()) {
      id = (*pair)[1].get<int64_t>();
    }
    if (id < 0 || id > kMaxTokenId) {
      return absl::InvalidArgumentError(
          absl::StrCat(key, ": expected [TOKEN, ID] with an ID in [0, ", kMaxTokenId, "]"));
    }
    ids[i] = static_cast<int32_t>(id);
  }
  out->before.insert(out->before.begin(), ids[0]);
  out->after.push_back(ids[1]);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PostProcessor> PostProcessor::Parse(const Json* json) {
  PostProcessor result;
  GANTRY_RETURN_IF_ERROR(ForEachStep(
      json, "post_processor", "processors", [&](const Json& step, const std::string& kind) {
        if (kind == "ByteLevel") return absl::OkStatus();
        if (kind == "TemplateProcessing") {
          return Annotate(ParseTemplate(step, &result), "post_processor TemplateProcessing");
        }
        if (kind == "BertProcessing" || kind == "RobertaProcessing") {
          return Annotate(ParseClsAndSep(step, &result), absl::StrCat("post_processor ", kind));
        }
        return UnsupportedKind("post_processor kind", kind,
                               "BertProcessing, ByteLevel, RobertaProcessing, Sequence, "
                               "TemplateProcessing");
      }));
  return result;
}

}  // namespace gantry
