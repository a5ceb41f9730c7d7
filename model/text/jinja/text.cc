#include "model/text/jinja/text.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace gantry::jinja {
namespace {

bool IsAscii(absl::string_view bytes) {
  unsigned char all = 0;
  for (char c : bytes) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

}  // namespace

TextPtr TrustedText(std::string bytes) {
  auto text = std::make_shared<Text>();
  text->ascii = IsAscii(bytes);
  text->bytes = std::move(bytes);
  return text;
}

TextPtr UserText(std::string bytes) {
  auto text = std::make_shared<Text>();
  text->ascii = IsAscii(bytes);
  if (!bytes.empty()) text->user.push_back({0, bytes.size()});
  text->bytes = std::move(bytes);
  return text;
}

void TextBuilder::Mark(size_t begin, size_t end) {
  if (begin == end) return;
  if (!user_.empty() && user_.back().end == begin) {
    user_.back().end = end;
  } else {
    user_.push_back({begin, end});
  }
}

void TextBuilder::Append(absl::string_view bytes, bool user) {
  if (user) Mark(bytes_.size(), bytes_.size() + bytes.size());
  Append(bytes);
}

void TextBuilder::Append(const Text& text, size_t begin, size_t end) {
  const size_t base = bytes_.size();
  bytes_.append(text.bytes, begin, end - begin);
  auto span = std::partition_point(text.user.begin(), text.user.end(),
                                   [begin](const auto& s) { return s.end <= begin; });
  for (; span != text.user.end() && span->begin < end; ++span) {
    Mark(base + std::max(span->begin, begin) - begin, base + std::min(span->end, end) - begin);
  }
}

TextPtr TextBuilder::Build() {
  auto text = std::make_shared<Text>();
  text->ascii = IsAscii(bytes_);
  text->bytes = std::move(bytes_);
  text->user = std::move(user_);
  return text;
}

MarkedText TextBuilder::BuildMarked() {
  MarkedText marked(std::move(bytes_));
  marked.user = std::move(user_);
  return marked;
}

TextPtr Substring(const TextPtr& text, size_t begin, size_t end) {
  if (begin == 0 && end == text->bytes.size()) return text;
  TextBuilder builder;
  builder.Append(*text, begin, end);
  return builder.Build();
}

size_t CharCount(const Text& text) {
  if (text.ascii) return text.bytes.size();
  return std::count_if(text.bytes.begin(), text.bytes.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

size_t CharOffset(const Text& text, size_t index) {
  if (text.ascii) return std::min(index, text.bytes.size());
  size_t pos = 0;
  while (index > 0 && pos < text.bytes.size()) {
    do ++pos;
    while (pos < text.bytes.size() && (static_cast<unsigned char>(text.bytes[pos]) & 0xC0) == 0x80);
    --index;
  }
  return pos;
}

char32_t CharReader::Next() {
  begin_ = end_;
  const char32_t c = NextChar(text_.bytes, &end_);
  while (span_ < text_.user.size() && text_.user[span_].end <= begin_) ++span_;
  user_ = span_ < text_.user.size() && text_.user[span_].begin < end_;
  return c;
}

}  // namespace gantry::jinja
