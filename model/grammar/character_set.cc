#include "model/grammar/character_set.h"

#include <algorithm>
#include <string>

#include "base/utf8.h"

namespace gantry {
namespace {

constexpr char32_t kLast = 0x10ffff;
constexpr char32_t kFirstSurrogate = 0xd800;
constexpr char32_t kLastSurrogate = 0xdfff;

// Appends [first, last], all of one length in UTF-8.
void AppendSequences(char32_t first, char32_t last, std::vector<Utf8Sequence>* out) {
  // Where the last bytes do not run through their whole range, the characters before and after
  // what does are sequences of their own.
  for (int shift = 6; shift <= 18; shift += 6) {
    const char32_t low = (char32_t{1} << shift) - 1;
    if ((first & ~low) == (last & ~low)) break;
    if (first < 0x80) break;
    if ((first & low) != 0) {
      AppendSequences(first, first | low, out);
      return AppendSequences((first | low) + 1, last, out);
    }
    if ((last & low) != low) {
      AppendSequences(first, (last & ~low) - 1, out);
      return AppendSequences(last & ~low, last, out);
    }
  }
  std::string from;
  std::string to;
  AppendUtf8(first, &from);
  AppendUtf8(last, &to);
  Utf8Sequence sequence = {static_cast<int>(from.size()), {}};
  for (size_t i = 0; i < from.size(); ++i) {
    sequence.bytes[i] = {static_cast<unsigned char>(from[i]), static_cast<unsigned char>(to[i])};
  }
  out->push_back(sequence);
}

}  // namespace

CharacterSet CharacterSet::All() {
  CharacterSet all;
  all.Add(0, kLast);
  return all;
}

void CharacterSet::Add(char32_t first, char32_t last) {
  if (first < kFirstSurrogate) AddRange(first, std::min<char32_t>(last, kFirstSurrogate - 1));
  if (last > kLastSurrogate) AddRange(std::max<char32_t>(first, kLastSurrogate + 1), last);
}

void CharacterSet::AddRange(char32_t first, char32_t last) {
  auto begin = std::lower_bound(
      ranges_.begin(), ranges_.end(), first,
      [](const Range& range, char32_t character) { return range.last + 1 < character; });
  auto end = begin;
  for (; end != ranges_.end() && end->first <= last + 1; ++end) {
    first = std::min(first, end->first);
    last = std::max(last, end->last);
  }
  begin = ranges_.erase(begin, end);
  ranges_.insert(begin, {first, last});
}

void CharacterSet::Add(const CharacterSet& other) {
  for (const Range& range : other.ranges_) AddRange(range.first, range.last);
}

CharacterSet CharacterSet::Complement() const {
  CharacterSet complement;
  char32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) complement.Add(next, range.first - 1);
    next = range.last + 1;
  }
  if (next <= kLast) complement.Add(next, kLast);
  return complement;
}

CharacterSet CharacterSet::Within(char32_t first, char32_t last) const {
  CharacterSet within;
  for (const Range& range : ranges_) {
    if (range.last < first || range.first > last) continue;
    within.AddRange(std::max(first, range.first), std::min(last, range.last));
  }
  return within;
}

bool CharacterSet::Contains(char32_t character) const {
  for (const Range& range : ranges_) {
    if (character >= range.first && character <= range.last) return true;
  }
  return false;
}

bool CharacterSet::IsAll() const {
  return ranges_.size() == 2 && ranges_[0].first == 0 && ranges_[0].last == kFirstSurrogate - 1 &&
         ranges_[1].first == kLastSurrogate + 1 && ranges_[1].last == kLast;
}

std::vector<Utf8Sequence> Utf8Sequences(const CharacterSet& set) {
  constexpr char32_t kLengths[][2] = {{0, 0x7f}, {0x80, 0x7ff}, {0x800, 0xffff}, {0x10000, kLast}};
  std::vector<Utf8Sequence> sequences;
  for (const auto& [first, last] : kLengths) {
    const CharacterSet within = set.Within(first, last);
    for (const CharacterSet::Range& range : within.ranges()) {
      AppendSequences(range.first, range.last, &sequences);
    }
  }
  return sequences;
}

}  // namespace gantry
