#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/jinja/builtin.h"
#include "model/text/jinja/format.h"
#include "model/text/jinja/operators.h"
#include "model/text/jinja/string_ops.h"
#include "model/text/jinja/unicode.h"

namespace gantry::jinja {
namespace {

using Bound = std::vector<const Value*>;

const Value* NotNone(const Value* arg) { return arg != nullptr && arg->IsNone() ? nullptr : arg; }

template <Case kCase>
absl::StatusOr<Value> ChangeCaseMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("a change of case", args, {}).status());
  GANTRY_ASSIGN_OR_RETURN(TextPtr text, ChangeCase(runtime, *self.text(), kCase));
  return Value(std::move(text));
}

template <Side kSide>
absl::StatusOr<Value> StripMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("strip", args, {"chars"}));
  const Value* chars = NotNone(bound[0]);
  GANTRY_ASSIGN_OR_RETURN(const TextPtr set, TextArg(chars, "chars", ""));
  GANTRY_ASSIGN_OR_RETURN(TextPtr text,
                          Strip(runtime, self.text(), chars ? set.get() : nullptr, kSide));
  return Value(std::move(text));
}

template <bool kFromRight>
absl::StatusOr<Value> SplitMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("split", args, {"sep", "maxsplit"}));
  const Value* sep = NotNone(bound[0]);
  GANTRY_ASSIGN_OR_RETURN(const TextPtr separator, TextArg(sep, "sep", ""));
  GANTRY_ASSIGN_OR_RETURN(const int64_t max, IntArg(bound[1], "maxsplit", -1));
  const Text* by = sep ? separator.get() : nullptr;
  GANTRY_ASSIGN_OR_RETURN(std::vector<Value> pieces, kFromRight
                                                         ? RSplit(runtime, self.text(), by, max)
                                                         : Split(runtime, self.text(), by, max));
  return runtime.NewList(std::move(pieces));
}

absl::StatusOr<Value> SplitLinesMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("splitlines", args, {"keepends"}));
  GANTRY_ASSIGN_OR_RETURN(std::vector<Value> lines,
                          SplitLines(runtime, self.text(), BoolArg(bound[0], false)));
  return runtime.NewList(std::move(lines));
}

template <bool kFromRight>
absl::StatusOr<Value> PartitionMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("partition", args, {"sep"}, 1));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr sep, TextArg(bound[0], "sep", ""));
  if (sep->bytes.empty()) return absl::InvalidArgumentError("partition: empty separator");
  const TextPtr& text = self.text();
  const size_t size = text->bytes.size();
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(size));
  const size_t at = kFromRight ? FindLast(*text, *sep, 0, size) : FindFirst(*text, *sep, 0, size);
  if (at == std::string::npos) {
    if (kFromRight) return runtime.NewTuple({MakeString(""), MakeString(""), self});
    return runtime.NewTuple({self, MakeString(""), MakeString("")});
  }
  const size_t end = at + sep->bytes.size();
  return runtime.NewTuple({Value(Substring(text, 0, at)), Value(Substring(text, at, end)),
                           Value(Substring(text, end, size))});
}

// Byte bounds of the optional arguments start and end; false when the range is empty for sure.
absl::StatusOr<bool> SearchRange(const Text& text, const Bound& bound, size_t* begin, size_t* end) {
  const auto length = static_cast<int64_t>(CharCount(text));
  GANTRY_ASSIGN_OR_RETURN(int64_t from, IntArg(NotNone(bound[1]), "start", 0));
  GANTRY_ASSIGN_OR_RETURN(int64_t to, IntArg(NotNone(bound[2]), "end", length));
  if (from < 0) from = std::max<int64_t>(from + length, 0);
  if (to < 0) to = std::max<int64_t>(to + length, 0);
  to = std::min(to, length);
  if (from > to) return false;
  *begin = CharOffset(text, from);
  *end = CharOffset(text, to);
  return true;
}

enum class Search { kFind, kRFind, kIndex, kCount };

template <Search kSearch>
absl::StatusOr<Value> SearchMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("find", args, {"sub", "start", "end"}, 1));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr sub, TextArg(bound[0], "sub", ""));
  const Text& text = *self.text();
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(text.bytes.size()));
  size_t begin = 0;
  size_t end = 0;
  GANTRY_ASSIGN_OR_RETURN(const bool possible, SearchRange(text, bound, &begin, &end));
  if (kSearch == Search::kCount) {
    if (!possible) return Value(int64_t{0});
    if (sub->bytes.empty()) {
      TextBuilder part;
      part.Append(text, begin, end);
      return Value(static_cast<int64_t>(CharCount(*part.Build())) + 1);
    }
    int64_t count = 0;
    for (size_t at; (at = FindFirst(text, *sub, begin, end)) != std::string::npos; ++count) {
      begin = at + sub->bytes.size();
    }
    return Value(count);
  }
  size_t at = std::string::npos;
  if (possible) {
    at = kSearch == Search::kRFind ? FindLast(text, *sub, begin, end)
                                   : FindFirst(text, *sub, begin, end);
  }
  if (at == std::string::npos) {
    if (kSearch == Search::kIndex) return absl::InvalidArgumentError("index: substring not found");
    return Value(int64_t{-1});
  }
  TextBuilder before;
  before.Append(text, 0, at);
  return Value(static_cast<int64_t>(CharCount(*before.Build())));
}

template <bool kAtEnd>
absl::StatusOr<Value> StartsEndsMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound,
                          BindArgs("startswith", args, {"prefix", "start", "end"}, 1));
  const Text& text = *self.text();
  GANTRY_RETURN_IF_ERROR(runtime.Spend(text.ascii ? 1 : 1 + text.bytes.size() / 16));
  size_t begin = 0;
  size_t end = 0;
  GANTRY_ASSIGN_OR_RETURN(const bool possible, SearchRange(text, bound, &begin, &end));
  std::vector<Value> candidates = {*bound[0]};
  if (bound[0]->Holds<const List*>() && bound[0]->As<const List*>()->tuple) {
    candidates = bound[0]->As<const List*>()->items;
  }
  for (const Value& candidate : candidates) {
    GANTRY_RETURN_IF_ERROR(runtime.Spend(1));
    GANTRY_ASSIGN_OR_RETURN(const TextPtr part, TextArg(&candidate, "prefix", ""));
    const size_t size = part->bytes.size();
    if (!possible || size > end - begin) continue;
    if (text.bytes.compare(kAtEnd ? end - size : begin, size, part->bytes) == 0) return Value(true);
  }
  return Value(false);
}

template <bool kSuffix>
absl::StatusOr<Value> RemoveAffixMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("removeprefix", args, {"affix"}, 1));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr affix, TextArg(bound[0], "affix", ""));
  const TextPtr& text = self.text();
  const size_t size = text->bytes.size();
  const size_t cut = affix->bytes.size();
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(size));
  if (cut > size || text->bytes.compare(kSuffix ? size - cut : 0, cut, affix->bytes) != 0)
    return self;
  return Value(kSuffix ? Substring(text, 0, size - cut) : Substring(text, cut, size));
}

absl::StatusOr<Value> ReplaceMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("replace", args, {"old", "new", "count"}, 2));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr from, TextArg(bound[0], "old", ""));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr to, TextArg(bound[1], "new", ""));
  GANTRY_ASSIGN_OR_RETURN(const int64_t max, IntArg(bound[2], "count", -1));
  GANTRY_ASSIGN_OR_RETURN(TextPtr text, Replace(runtime, self.text(), *from, *to, max));
  return Value(std::move(text));
}

absl::StatusOr<Value> JoinMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("join", args, {"iterable"}, 1));
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, *bound[0]));
  std::vector<TextPtr> parts;
  for (const Value& item : items) {
    GANTRY_ASSIGN_OR_RETURN(TextPtr part, TextArg(&item, "item", ""));
    parts.push_back(std::move(part));
  }
  GANTRY_ASSIGN_OR_RETURN(TextPtr text, Join(runtime, *self.text(), parts));
  return Value(std::move(text));
}

absl::StatusOr<Value> FormatMethod(Runtime& runtime, const Value& self, const Args& args) {
  return FormatBraces(runtime, *self.text(), args);
}

enum class Align { kLeft, kRight, kCenter };

template <Align kAlign>
absl::StatusOr<Value> PadMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("pad", args, {"width", "fillchar"}, 1));
  GANTRY_ASSIGN_OR_RETURN(const int64_t width, IntArg(bound[0], "width", 0));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr fill, TextArg(bound[1], "fillchar", " "));
  if (CharCount(*fill) != 1) return absl::InvalidArgumentError("fillchar: expected one character");
  const auto length = static_cast<int64_t>(CharCount(*self.text()));
  const int64_t missing = std::max<int64_t>(width, length) - length;
  // CPython puts the odd one to the left when the width is odd too.
  const int64_t left = kAlign == Align::kLeft    ? 0
                       : kAlign == Align::kRight ? missing
                                                 : missing / 2 + (missing & width & 1);
  GANTRY_ASSIGN_OR_RETURN(TextPtr text, Pad(runtime, self.text(), left, missing - left, *fill));
  return Value(std::move(text));
}

absl::StatusOr<Value> ZfillMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("zfill", args, {"width"}, 1));
  GANTRY_ASSIGN_OR_RETURN(const int64_t width, IntArg(bound[0], "width", 0));
  const TextPtr& text = self.text();
  const auto length = static_cast<int64_t>(CharCount(*text));
  const size_t sign = !text->bytes.empty() && (text->bytes[0] == '-' || text->bytes[0] == '+');
  GANTRY_ASSIGN_OR_RETURN(const TextPtr digits,
                          Pad(runtime, Substring(text, sign, text->bytes.size()),
                              std::max<int64_t>(width, length) - length, 0, *TrustedText("0")));
  TextBuilder out;
  out.Append(*text, 0, sign);
  out.Append(*digits);
  return Value(out.Build());
}

// Whether there is a character and all satisfy the predicate.
template <bool (*kPredicate)(char32_t)>
absl::StatusOr<Value> AllMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("a test of characters", args, {}).status());
  GANTRY_RETURN_IF_ERROR(runtime.Spend(self.text()->bytes.size() / 8));
  CharReader reader(*self.text());
  if (reader.done()) return Value(false);
  while (!reader.done()) {
    if (!kPredicate(reader.Next())) return Value(false);
  }
  return Value(true);
}

bool IsAlphanumeric(char32_t c) { return IsLetter(c) || IsDecimal(c); }

// Whether there is a letter of the case and none of the other.
template <bool (*kWanted)(char32_t), bool (*kOther)(char32_t)>
absl::StatusOr<Value> CaseTestMethod(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("a test of case", args, {}).status());
  GANTRY_RETURN_IF_ERROR(runtime.Spend(self.text()->bytes.size() / 8));
  bool found = false;
  for (CharReader reader(*self.text()); !reader.done();) {
    const char32_t c = reader.Next();
    if (kOther(c)) return Value(false);
    found |= kWanted(c);
  }
  return Value(found);
}

constexpr Builtin kMethods[] = {
    {"strip", StripMethod<Side::kBoth>},
    {"lstrip", StripMethod<Side::kLeft>},
    {"rstrip", StripMethod<Side::kRight>},
    {"split", SplitMethod<false>},
    {"rsplit", SplitMethod<true>},
    {"splitlines", SplitLinesMethod},
    {"partition", PartitionMethod<false>},
    {"rpartition", PartitionMethod<true>},
    {"startswith", StartsEndsMethod<false>},
    {"endswith", StartsEndsMethod<true>},
    {"removeprefix", RemoveAffixMethod<false>},
    {"removesuffix", RemoveAffixMethod<true>},
    {"replace", ReplaceMethod},
    {"join", JoinMethod},
    {"format", FormatMethod},
    {"find", SearchMethod<Search::kFind>},
    {"rfind", SearchMethod<Search::kRFind>},
    {"index", SearchMethod<Search::kIndex>},
    {"count", SearchMethod<Search::kCount>},
    {"upper", ChangeCaseMethod<Case::kUpper>},
    {"lower", ChangeCaseMethod<Case::kLower>},
    {"casefold", ChangeCaseMethod<Case::kLower>},
    {"title", ChangeCaseMethod<Case::kTitle>},
    {"capitalize", ChangeCaseMethod<Case::kCapitalize>},
    {"swapcase", ChangeCaseMethod<Case::kSwap>},
    {"ljust", PadMethod<Align::kLeft>},
    {"rjust", PadMethod<Align::kRight>},
    {"center", PadMethod<Align::kCenter>},
    {"zfill", ZfillMethod},
    {"isdigit", AllMethod<IsDecimal>},
    {"isdecimal", AllMethod<IsDecimal>},
    {"isnumeric", AllMethod<IsDecimal>},
    {"isalpha", AllMethod<IsLetter>},
    {"isalnum", AllMethod<IsAlphanumeric>},
    {"isspace", AllMethod<IsWhitespace>},
    {"isupper", CaseTestMethod<IsUpper, IsLower>},
    {"islower", CaseTestMethod<IsLower, IsUpper>},
};

}  // namespace

const Builtin* FindStringMethod(absl::string_view name) { return FindBuiltin(kMethods, name); }

}  // namespace gantry::jinja
