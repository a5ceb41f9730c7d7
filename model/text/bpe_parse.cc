// Bpe from the "model" of a tokenizer.json.

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "model/text/bpe.h"
#include "model/text/limits.h"

namespace gantry {
namespace {

absl::Status RefuseDropout(const Json& model) {
  GANTRY_ASSIGN_OR_RETURN(const double dropout, GetDoubleOr(model, "dropout", 0, 1, 0));
  if (dropout != 0) {
    return absl::UnimplementedError(absl::StrCat(
        "dropout ", dropout, " makes ids random and is not supported; set it to null"));
  }
  return absl::OkStatus();
}

// What is put at each character is bounded.
absl::StatusOr<std::string> GetAffix(const Json& model, absl::string_view key) {
  GANTRY_ASSIGN_OR_RETURN(std::string affix, GetStringOr(model, key, ""));
  if (affix.size() > kMaxAddedTokenBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(key, " has ", affix.size(), " bytes, at most ",
                                                     kMaxAddedTokenBytes, " are allowed"));
  }
  return affix;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenModel>> Bpe::Parse(const Json& model) {
  GANTRY_RETURN_IF_ERROR(RefuseDropout(model));
  GANTRY_ASSIGN_OR_RETURN(Vocabulary vocabulary, ParseVocabulary(model));
  std::unique_ptr<Bpe> bpe(new Bpe(std::move(vocabulary)));
  GANTRY_ASSIGN_OR_RETURN(bpe->fuse_unk_, GetBoolOr(model, "fuse_unk", false));
  GANTRY_ASSIGN_OR_RETURN(bpe->ignore_merges_, GetBoolOr(model, "ignore_merges", false));
  GANTRY_ASSIGN_OR_RETURN(bpe->continuation_prefix_, GetAffix(model, "continuing_subword_prefix"));
  GANTRY_ASSIGN_OR_RETURN(bpe->end_suffix_, GetAffix(model, "end_of_word_suffix"));
  GANTRY_ASSIGN_OR_RETURN(const bool byte_fallback, GetBoolOr(model, "byte_fallback", false));
  if (byte_fallback) bpe->byte_ids_ = ByteTokenIds(bpe->vocabulary_);
  GANTRY_ASSIGN_OR_RETURN(bpe->unk_id_, GetTokenId(model, "unk_token", bpe->vocabulary_));
  const Json* merges = FindMember(model, "merges");
  if (merges == nullptr || !merges->is_array()) {
    return absl::InvalidArgumentError("merges: expected an array");
  }
  GANTRY_RETURN_IF_ERROR(bpe->AddMerges(*merges));
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
  absl::string_view end = right;
  if (!absl::ConsumePrefix(&end, continuation_prefix_)) {
    return absl::InvalidArgumentError(
        absl::StrCat("merges[", rank, "]: \"", absl::CHexEscape(right.substr(0, 200)),
                     "\" does not begin with continuing_subword_prefix \"",
                     absl::CHexEscape(continuation_prefix_), "\""));
  }
  const std::string merged = absl::StrCat(left, end);
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
