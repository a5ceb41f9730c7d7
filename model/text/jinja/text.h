#ifndef GANTRY_MODEL_TEXT_JINJA_TEXT_H_
#define GANTRY_MODEL_TEXT_JINJA_TEXT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/text/marked_text.h"

namespace gantry::jinja {

// A string of a template: well-formed UTF-8, and which of its bytes a user typed. Immutable once
// shared. Most strings carry no mark or one that covers them.
struct Text {
  std::string bytes;
  std::vector<MarkedText::Span> user;  // ascending, disjoint, not adjacent, not empty
  bool ascii = true;                   // one byte a character

  absl::string_view view() const { return bytes; }
};
using TextPtr = std::shared_ptr<const Text>;

TextPtr TrustedText(std::string bytes);
TextPtr UserText(std::string bytes);

// Builds a Text out of pieces, which keep their marks.
class TextBuilder {
 public:
  void Append(absl::string_view trusted) { bytes_.append(trusted.data(), trusted.size()); }
  void Append(absl::string_view bytes, bool user);
  void Append(const Text& text) { Append(text, 0, text.bytes.size()); }
  // Bytes [begin, end) of `text`.
  void Append(const Text& text, size_t begin, size_t end);
  size_t size() const { return bytes_.size(); }
  void Reserve(size_t bytes) { bytes_.reserve(bytes); }
  TextPtr Build();
  MarkedText BuildMarked();

 private:
  void Mark(size_t begin, size_t end);
  std::string bytes_;
  std::vector<MarkedText::Span> user_;
};

// Bytes [begin, end) of a text.
TextPtr Substring(const TextPtr& text, size_t begin, size_t end);

// Number of characters (code points).
size_t CharCount(const Text& text);
// The byte at which character `index` begins; the size when there are fewer characters.
size_t CharOffset(const Text& text, size_t index);

// Visits the characters of a text in order and tells whether a user typed them.
class CharReader {
 public:
  explicit CharReader(const Text& text) : text_(text) {}
  bool done() const { return end_ == text_.bytes.size(); }
  // The next character; requires !done().
  char32_t Next();
  // Of the character that Next() returned.
  bool user() const { return user_; }
  size_t begin() const { return begin_; }
  size_t end() const { return end_; }

 private:
  const Text& text_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t span_ = 0;
  bool user_ = false;
};

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_TEXT_H_
