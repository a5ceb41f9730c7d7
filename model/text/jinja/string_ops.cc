#include "model/text/jinja/string_ops.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/text/jinja/unicode.h"

namespace gantry::jinja {
namespace {

struct Piece {
  size_t begin;
  size_t end;
};

std::vector<Value> Pieces(const TextPtr& text, const std::vector<Piece>& pieces) {
  std::vector<Value> values;
  values.reserve(pieces.size());
  for (const Piece& piece : pieces) values.emplace_back(Substring(text, piece.begin, piece.end));
  return values;
}

absl::Status SpendPieces(Runtime& runtime, const TextPtr& text, size_t pieces) {
  GANTRY_RETURN_IF_ERROR(runtime.Spend(pieces));
  return runtime.SpendBytes(text->bytes.size() + pieces * sizeof(Text));
}

// The maximal runs without whitespace.
std::vector<Piece> Words(const Text& text) {
  std::vector<Piece> words;
  bool within = false;
  for (CharReader reader(text); !reader.done();) {
    if (IsWhitespace(reader.Next())) {
      within = false;
    } else if (within) {
      words.back().end = reader.end();
    } else {
      words.push_back({reader.begin(), reader.end()});
      within = true;
    }
  }
  return words;
}

size_t PreviousChar(const std::string& bytes, size_t at) {
  do --at;
  while (at > 0 && (bytes[at] & 0xC0) == 0x80);
  return at;
}

bool IsLineEnd(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

absl::Status EmptySeparator() { return absl::InvalidArgumentError("split: empty separator"); }

}  // namespace

size_t FindFirst(const Text& text, const Text& part, size_t begin, size_t end) {
  if (begin > end || part.bytes.size() > end - begin) return std::string::npos;
  if (part.bytes.empty()) return begin;
  const void* found =
      memmem(text.bytes.data() + begin, end - begin, part.bytes.data(), part.bytes.size());
  return found == nullptr ? std::string::npos : static_cast<const char*>(found) - text.bytes.data();
}

size_t FindLast(const Text& text, const Text& part, size_t begin, size_t end) {
  if (begin > end || part.bytes.size() > end - begin) return std::string::npos;
  if (part.bytes.empty()) return end;
  // By the first place of the reversed part, which memmem finds in linear time.
  const std::string reversed(text.bytes.rend() - end, text.bytes.rend() - begin);
  const std::string needle(part.bytes.rbegin(), part.bytes.rend());
  const void* found = memmem(reversed.data(), reversed.size(), needle.data(), needle.size());
  if (found == nullptr) return std::string::npos;
  return end - (static_cast<const char*>(found) - reversed.data()) - needle.size();
}

absl::StatusOr<TextPtr> Strip(Runtime& runtime, const TextPtr& text, const Text* chars, Side side) {
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(text->bytes.size()));
  std::set<char32_t> set;
  if (chars != nullptr) {
    for (CharReader reader(*chars); !reader.done();) set.insert(reader.Next());
  }
  const std::string& bytes = text->bytes;
  auto strips = [&](size_t at) {
    const char32_t c = NextChar(bytes, &at);
    return chars == nullptr ? IsWhitespace(c) : set.count(c) > 0;
  };
  size_t begin = 0;
  size_t end = bytes.size();
  if (side != Side::kRight) {
    while (begin < end && strips(begin)) NextChar(bytes, &begin);
  }
  if (side != Side::kLeft) {
    while (end > begin && strips(PreviousChar(bytes, end))) end = PreviousChar(bytes, end);
  }
  return Substring(text, begin, end);
}

absl::StatusOr<std::vector<Value>> Split(Runtime& runtime, const TextPtr& text,
                                         const Text* separator, int64_t max) {
  std::vector<Piece> pieces;
  const size_t size = text->bytes.size();
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(size));
  if (separator == nullptr) {
    pieces = Words(*text);
    if (max >= 0 && pieces.size() > static_cast<uint64_t>(max) + 1) pieces.resize(max + 1);
    if (max >= 0 && pieces.size() == static_cast<uint64_t>(max) + 1) pieces.back().end = size;
  } else {
    if (separator->bytes.empty()) return EmptySeparator();
    size_t begin = 0;
    while (max < 0 || pieces.size() < static_cast<uint64_t>(max)) {
      const size_t at = FindFirst(*text, *separator, begin, size);
      if (at == std::string::npos) break;
      pieces.push_back({begin, at});
      begin = at + separator->bytes.size();
    }
    pieces.push_back({begin, size});
  }
  GANTRY_RETURN_IF_ERROR(SpendPieces(runtime, text, pieces.size()));
  return Pieces(text, pieces);
}

absl::StatusOr<std::vector<Value>> RSplit(Runtime& runtime, const TextPtr& text,
                                          const Text* separator, int64_t max) {
  if (max < 0) return Split(runtime, text, separator, max);
  std::vector<Piece> pieces;
  if (separator == nullptr) {
    pieces = Words(*text);
    const size_t kept = static_cast<uint64_t>(max) + 1;
    if (pieces.size() >= kept) {
      pieces.erase(pieces.begin(), pieces.end() - kept);
      pieces.front().begin = 0;
    }
  } else {
    if (separator->bytes.empty()) return EmptySeparator();
    size_t end = text->bytes.size();
    while (pieces.size() < static_cast<uint64_t>(max)) {
      GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(end));
      const size_t at = FindLast(*text, *separator, 0, end);
      if (at == std::string::npos) break;
      pieces.push_back({at + separator->bytes.size(), end});
      end = at;
    }
    pieces.push_back({0, end});
    std::reverse(pieces.begin(), pieces.end());
  }
  GANTRY_RETURN_IF_ERROR(SpendPieces(runtime, text, pieces.size()));
  return Pieces(text, pieces);
}

absl::StatusOr<std::vector<Value>> SplitLines(Runtime& runtime, const TextPtr& text,
                                              bool keep_ends) {
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(text->bytes.size()));
  std::vector<Piece> pieces;
  size_t begin = 0;
  for (CharReader reader(*text); !reader.done();) {
    const char32_t c = reader.Next();
    if (!IsLineEnd(c)) continue;
    const size_t end = reader.begin();
    if (c == '\r' && !reader.done() && text->bytes[reader.end()] == '\n') reader.Next();
    pieces.push_back({begin, keep_ends ? reader.end() : end});
    begin = reader.end();
  }
  if (begin < text->bytes.size()) pieces.push_back({begin, text->bytes.size()});
  GANTRY_RETURN_IF_ERROR(SpendPieces(runtime, text, pieces.size()));
  return Pieces(text, pieces);
}

absl::StatusOr<TextPtr> Replace(Runtime& runtime, const TextPtr& text, const Text& from,
                                const Text& to, int64_t max) {
  const size_t size = text->bytes.size();
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(size));
  TextBuilder out;
  size_t begin = 0;
  uint64_t left = max < 0 ? UINT64_MAX : max;
  for (size_t search = 0; left > 0; --left) {
    const size_t at = FindFirst(*text, from, search, size);
    if (at == std::string::npos) break;
    GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(to.bytes.size() + 8));
    out.Append(*text, begin, at);
    out.Append(to);
    begin = at + from.bytes.size();
    search = begin;
    if (!from.bytes.empty()) continue;
    if (search == size) break;
    NextChar(text->bytes, &search);  // an empty `from` is between all characters
  }
  if (begin == 0 && out.size() == 0) return text;
  out.Append(*text, begin, size);
  return out.Build();
}

absl::StatusOr<TextPtr> Join(Runtime& runtime, const Text& separator,
                             const std::vector<TextPtr>& parts) {
  TextBuilder out;
  for (size_t i = 0; i < parts.size(); ++i) {
    GANTRY_RETURN_IF_ERROR(
        runtime.SpendBytes(parts[i]->bytes.size() + (i > 0 ? separator.bytes.size() : 0)));
    if (i > 0) out.Append(separator);
    out.Append(*parts[i]);
  }
  return out.Build();
}

absl::StatusOr<TextPtr> ChangeCase(Runtime& runtime, const Text& text, Case to) {
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(text.bytes.size() * 2));
  TextBuilder out;
  bool word_begins = true;
  for (CharReader reader(text); !reader.done();) {
    const char32_t c = reader.Next();
    bool upper = to == Case::kUpper || (to != Case::kLower && word_begins);
    if (to == Case::kSwap) upper = IsLower(c);
    if (to == Case::kTitle) {
      word_begins = !IsLetter(c);
    } else if (to == Case::kTitleFilter) {
      word_begins = IsWhitespace(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    } else {
      word_begins = false;
    }
    if (c == 0xDF && upper) {
      out.Append(to == Case::kUpper || to == Case::kSwap ? "SS" : "Ss", reader.user());
      continue;
    }
    std::string changed;
    AppendUtf8(upper ? ToUpper(c) : ToLower(c), &changed);
    out.Append(changed, reader.user());
  }
  return out.Build();
}

absl::StatusOr<TextPtr> Pad(Runtime& runtime, const TextPtr& text, int64_t left, int64_t right,
                            const Text& fill) {
  if (left <= 0 && right <= 0) return text;
  uint64_t fills = std::max<int64_t>(left, 0);
  fills += std::max<int64_t>(right, 0);
  GANTRY_RETURN_IF_ERROR(runtime.Spend(fills / 16));
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(text->bytes.size() + fills * 4));
  TextBuilder out;
  for (int64_t i = 0; i < left; ++i) out.Append(fill);
  out.Append(*text);
  for (int64_t i = 0; i < right; ++i) out.Append(fill);
  return out.Build();
}

}  // namespace gantry::jinja
