#ifndef GANTRY_MODEL_GRAMMAR_CHARACTER_SET_H_
#define GANTRY_MODEL_GRAMMAR_CHARACTER_SET_H_

#include <vector>

namespace gantry {

// A set of Unicode characters (scalar values: no surrogates).
class CharacterSet {
 public:
  struct Range {
    char32_t first;
    char32_t last;  // inclusive
  };

  CharacterSet() = default;
  static CharacterSet All();

  // Requires first <= last <= U+10FFFF. Surrogates are left out.
  void Add(char32_t first, char32_t last);
  void Add(char32_t character) { Add(character, character); }
  void Add(const CharacterSet& other);
  CharacterSet Complement() const;
  // What is also in [first, last].
  CharacterSet Within(char32_t first, char32_t last) const;

  bool Contains(char32_t character) const;
  bool empty() const { return ranges_.empty(); }
  bool IsAll() const;
  // Sorted, and neither overlapping nor adjacent (but across the surrogates).
  const std::vector<Range>& ranges() const { return ranges_; }

 private:
  void AddRange(char32_t first, char32_t last);

  std::vector<Range> ranges_;
};

// The characters as sequences of ranges of bytes: each of `length` ranges, a string of UTF-8 being
// in one of them just if its character is in the set. As Cox describes in "Regular Expression
// Matching in the Wild" (2010).
struct Utf8Sequence {
  int length;
  struct {
    unsigned char first;
    unsigned char last;
  } bytes[4];
};
std::vector<Utf8Sequence> Utf8Sequences(const CharacterSet& set);

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_CHARACTER_SET_H_
