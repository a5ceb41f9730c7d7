// Bpe from the "model" of a tokenizer.json.

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "model/text/bpe.h"
#include "model/text/json_kind.h"
#include "model/text/limits.h"

namespace gantry {
namespace {

// Files from before the member existed have no "type": what has merges is a BPE.
absl::Status CheckKind(const Json& model) {
  if (!model.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected an object, found ", model.type_name()));
  }
  if (FindMember(model, "type") == nullptr && FindMember(model, "merges") != nullptr) {
    return absl::OkStatus();
  }
  GANTRY_ASSIGN_OR_RETURN(const std::string kind, GetKind(model, "type"));
  if (kind != "BPE") return UnsupportedKind("kind", kind, "BPE");
  return absl::OkStatus();
}

absl::Status CheckOptions(const Json& model) {
  GANTRY_ASSIGN_OR_RETURN(const double dropout, GetDoubleOr(model, "dropout", 0, 1, 0));
  if (dropout != 0) {
    return absl::UnimplementedError(absl::StrCat(
        "dropout ", dropout, " makes ids random and is not supported; set it to null"));
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    GANTRY_ASSIGN_OR_RETURN(const std::string affix, GetStringOr(model, key, ""));
    if (!affix.empty()) {
      return absl::UnimplementedError(
          absl::StrCat(key, " \"", absl::CHexEscape(affix), "\" is not supported; only empty is"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Vocabulary> ParseVocabulary(const Json& model) {
  const Json* vocab = FindMember(model, "vocab");
  if (vocab == nullptr || !vocab->is_object()) {
    return absl::InvalidArgumentError("vocab: expected an object of tokens and ids");
  }
  std::vector<std::pair<std::string, int64_t>> entries;
  entries.reserve(vocab->size());
  for (const auto& member : vocab->items()) {
    if (!member.value().is_number_integer()) {
      return absl::InvalidArgumentError(absl::StrCat("vocab: expected an integer for \"",
                                                     absl::CHexEscape(member.key()), "\", found ",
                                                     member.value().type_name()));
    }
    // Above the range of int64 an unsigned number wraps to a negative id, which is refused too.
    entries.emplace_back(member.key(), member.value().get<int64_t>());
  }
  return Vocabulary::Build(std::move(entries));
}

}  // namespace

absl::StatusOr<Bpe> Bpe::Parse(const Json& model) {
  GANTRY_RETURN_IF_ERROR(CheckKind(model));
  GANTRY_RETURN_IF_ERROR(CheckOptions(model));
  GANTRY_ASSIGN_OR_RETURN(Vocabulary vocabulary, ParseVocabulary(model));
  Bpe bpe(std::move(vocabulary));
  GANTRY_ASSIGN_OR_RETURN(bpe.byte_fallback_, GetBoolOr(model, "byte_fallback", false));
  GANTRY_ASSIGN_OR_RETURN(bpe.fuse_unk_, GetBoolOr(model, "fuse_unk", false));
  GANTRY_ASSIGN_OR_RETURN(bpe.ignore_merges_, GetBoolOr(model, "ignore_merges", false));
  for (int byte = 0; byte < 256; ++byte) {
    bpe.byte_ids_[byte] = bpe.vocabulary_.Find(absl::StrFormat("<0x%02X>", byte));
  }
  if (FindMember(model, "unk_token") != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(const std::string unk, GetString(model, "unk_token"));
    bpe.unk_id_ = bpe.vocabulary_.Find(unk);
    if (bpe.unk_id_ < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("unk_token \"", absl::CHexEscape(unk), "\" is not in vocab"));
    }
  }
  const Json* merges = FindMember(model, "merges");
  if (merges == nullptr || !merges->is_array()) {
    return absl::InvalidArgumentError("merges: expected an array");
  }
  GANTRY_RETURN_IF_ERROR(bpe.AddMerges(*merges));
  return bpe;
}

absl::Status Bpe::AddMerges(const Json& merges) {
  if (merges.size() > kMaxMerges) {
    return absl::ResourceExhaustedError(
        absl::StrCat("merges: ", merges.size(), " entries, at most ", kMaxMerges, " are allowed"));
  }
  merges_.reserve(merges.size());
  int32_t rank = 0;
  for (const Json& merge : merges) {
    GANTRY_RETURN_IF_ERROR(AddMerge(merge, rank++));
  }
  return absl::OkStatus();
}

absl::Status Bpe::AddMerge(const Json& merge, int32_t rank) {
  absl::string_view left;
  absl::string_view right;
  if (merge.is_string()) {
    const absl::string_view text = merge.get_ref<const std::string&>();
    if (absl::StartsWith(text, "#version")) return absl::OkStatus();  // a line of merges.txt
    const size_t space = text.find(' ');
    if (space == absl::string_view::npos || text.find(' ', space + 1) != absl::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat("merges[", rank,
                                                     "]: expected two tokens and a space, found \"",
                                                     absl::CHexEscape(text.substr(0, 200)), "\""));
    }
    left = text.substr(0, space);
    right = text.substr(space + 1);
  } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
             merge[1].is_string()) {
    left = merge[0].get_ref<const std::string&>();
    right = merge[1].get_ref<const std::string&>();
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("merges[", rank, "]: expected \"LEFT RIGHT\" or [LEFT, RIGHT]"));
  }
  const std::string merged = absl::StrCat(left, right);
  for (const absl::string_view token : {left, right, absl::string_view(merged)}) {
    if (vocabulary_.Find(token) < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "merges[", rank, "]: \"", absl::CHexEscape(token.substr(0, 200)), "\" is not in vocab"));
    }
  }
  const uint64_t pair = static_cast<uint64_t>(vocabulary_.Find(left)) << 32 |
                        static_cast<uint32_t>(vocabulary_.Find(right));
  // Of two equal merges the later counts, as in the `tokenizers` library.
  merges_[pair] = {rank, vocabulary_.Find(merged)};
  return absl::OkStatus();
}

}  // namespace gantry
