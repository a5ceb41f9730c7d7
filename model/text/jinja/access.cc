#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/jinja/builtin.h"
#include "model/text/jinja/operators.h"

namespace gantry::jinja {
namespace {

Value NoAttribute(const Value& value, absl::string_view name) {
  return MakeUndefined(
      absl::StrCat("'", std::string(TypeName(value)), " object' has no attribute '", name, "'"));
}

Value LoopAttribute(const Loop& loop, absl::string_view name) {
  const auto size = static_cast<int64_t>(loop.items->size());
  const auto index0 = static_cast<int64_t>(loop.index0);
  if (name == "index") return Value(index0 + 1);
  if (name == "index0") return Value(index0);
  if (name == "revindex") return Value(size - index0);
  if (name == "revindex0") return Value(size - index0 - 1);
  if (name == "first") return Value(index0 == 0);
  if (name == "last") return Value(index0 + 1 == size);
  if (name == "length") return Value(size);
  // Only recursive loops are deeper.
  if (name == "depth") return Value(int64_t{1});
  if (name == "depth0") return Value(int64_t{0});
  if (name == "previtem") {
    return index0 > 0 ? (*loop.items)[index0 - 1] : MakeUndefined("there is no previous item");
  }
  if (name == "nextitem") {
    return index0 + 1 < size ? (*loop.items)[index0 + 1] : MakeUndefined("there is no next item");
  }
  return MakeUndefined(absl::StrCat("'LoopContext object' has no attribute '", name, "'"));
}

Value Bind(Runtime& runtime, const Builtin* method, const Value& self) {
  Callable callable;
  callable.builtin = method;
  callable.self = self;
  return runtime.NewCallable(std::move(callable));
}

// As CPython's PySlice_AdjustIndices.
struct Range {
  int64_t start, stop, step, count;
};
Range AdjustSlice(int64_t length, const int64_t* start, const int64_t* stop, int64_t step) {
  const int64_t low = step < 0 ? -1 : 0;
  const int64_t high = step < 0 ? length - 1 : length;
  auto clamp = [&](int64_t i) {
    if (i < 0) i = i < -length ? low : i + length;
    return std::min(std::max(i, low), high);
  };
  Range range{start ? clamp(*start) : (step < 0 ? high : low),
              stop ? clamp(*stop) : (step < 0 ? low : high), step, 0};
  if (step > 0 && range.start < range.stop) {
    range.count = (range.stop - range.start - 1) / step + 1;
  } else if (step < 0 && range.stop < range.start) {
    range.count = static_cast<int64_t>((static_cast<uint64_t>(range.start - range.stop) - 1) /
                                       (uint64_t{0} - static_cast<uint64_t>(step))) +
                  1;
  }
  return range;
}

absl::StatusOr<Value> SliceText(Runtime& runtime, const TextPtr& text, const Range& range) {
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(text->bytes.size()));
  if (range.count == 0) return MakeString("");
  if (range.step == 1) {
    const size_t begin = CharOffset(*text, range.start);
    const size_t end =
        text->ascii ? begin + range.count : CharOffset(*text, range.start + range.count);
    return Value(Substring(text, begin, end));
  }
  std::vector<size_t> offsets;
  for (CharReader reader(*text); !reader.done();) {
    reader.Next();
    offsets.push_back(reader.begin());
  }
  offsets.push_back(text->bytes.size());
  TextBuilder out;
  int64_t at = range.start;
  for (int64_t i = 0; i < range.count; ++i) {
    out.Append(*text, offsets[at], offsets[at + 1]);
    if (i + 1 < range.count) at += range.step;
  }
  return Value(out.Build());
}

}  // namespace

absl::StatusOr<int64_t> Length(Runtime& runtime, const Value& value) {
  if (value.IsUndefined()) return 0;
  if (value.IsString()) {
    if (!value.text()->ascii)
      GANTRY_RETURN_IF_ERROR(runtime.Spend(value.text()->bytes.size() / 64));
    return static_cast<int64_t>(CharCount(*value.text()));
  }
  if (value.Holds<const List*>())
    return static_cast<int64_t>(value.As<const List*>()->items.size());
  if (value.Holds<const Dict*>())
    return static_cast<int64_t>(value.As<const Dict*>()->entries.size());
  return absl::InvalidArgumentError(
      absl::StrCat("object of type '", std::string(TypeName(value)), "' has no len()"));
}

absl::StatusOr<std::vector<Value>> Iterate(Runtime& runtime, const Value& value) {
  std::vector<Value> items;
  if (value.IsUndefined()) return items;
  GANTRY_ASSIGN_OR_RETURN(const int64_t length, [&]() -> absl::StatusOr<int64_t> {
    absl::StatusOr<int64_t> known = Length(runtime, value);
    if (known.ok() || known.status().code() == absl::StatusCode::kResourceExhausted) return known;
    return absl::InvalidArgumentError(
        absl::StrCat("'", std::string(TypeName(value)), "' object is not iterable"));
  }());
  GANTRY_RETURN_IF_ERROR(runtime.Spend(length));
  if (value.Holds<const List*>()) return value.As<const List*>()->items;
  items.reserve(length);
  if (value.IsString()) {
    GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(length * sizeof(Text)));
    const TextPtr& text = value.text();
    for (CharReader reader(*text); !reader.done();) {
      reader.Next();
      items.emplace_back(Substring(text, reader.begin(), reader.end()));
    }
  } else {
    for (const auto& entry : value.As<const Dict*>()->entries) items.push_back(entry.first);
  }
  return items;
}

absl::StatusOr<Value> GetAttribute(Runtime& runtime, const Value& value, absl::string_view name) {
  if (value.IsUndefined()) return UndefinedError(value);
  if (absl::StartsWith(name, "__")) {
    return MakeUndefined(absl::StrCat("access to attribute '", name, "' is not allowed"));
  }
  if (value.Holds<Namespace*>()) {
    const auto& attributes = value.As<Namespace*>()->attributes;
    const auto it = attributes.find(name);
    return it != attributes.end() ? it->second : NoAttribute(value, name);
  }
  const Builtin* method =
      value.IsString() ? FindStringMethod(name) : FindContainerMethod(value, name);
  if (method != nullptr) {
    GANTRY_RETURN_IF_ERROR(runtime.Spend(1));
    return Bind(runtime, method, value);
  }
  if (value.Holds<Loop*>()) return LoopAttribute(*value.As<Loop*>(), name);
  if (value.Holds<const Dict*>()) {
    const Value* found = value.As<const Dict*>()->Find(name);
    if (found != nullptr) return *found;
  }
  return NoAttribute(value, name);
}

absl::StatusOr<Value> GetItem(Runtime& runtime, const Value& value, const Value& key) {
  if (value.IsUndefined()) return UndefinedError(value);
  if (value.Holds<const Dict*>()) {
    const Dict& dict = *value.As<const Dict*>();
    absl::StatusOr<std::string> hashed = DictKey(key);
    if (hashed.ok()) {
      const auto it = dict.index.find(*hashed);
      if (it != dict.index.end()) return dict.entries[it->second].second;
    }
  } else if (key.IsInteger() && (value.IsString() || value.Holds<const List*>())) {
    GANTRY_ASSIGN_OR_RETURN(const int64_t length, Length(runtime, value));
    const int64_t index = key.integer() < 0 ? key.integer() + length : key.integer();
    if (index < 0 || index >= length) {
      return MakeUndefined(absl::StrCat("'", std::string(TypeName(value)),
                                        " object' has no element ", key.integer()));
    }
    if (value.Holds<const List*>()) return value.As<const List*>()->items[index];
    const TextPtr& text = value.text();
    const size_t begin = CharOffset(*text, index);
    size_t end = begin + 1;
    while (end < text->bytes.size() && (text->bytes[end] & 0xC0) == 0x80) ++end;
    return Value(Substring(text, begin, end));
  }
  if (key.IsString()) return GetAttribute(runtime, value, key.text()->bytes);
  return MakeUndefined(
      absl::StrCat("'", std::string(TypeName(value)), " object' has no such item"));
}

absl::StatusOr<Value> GetSlice(Runtime& runtime, const Value& value, const Value* start,
                               const Value* stop, const Value* step) {
  if (value.IsUndefined()) return UndefinedError(value);
  if (!value.IsString() && !value.Holds<const List*>()) {
    return MakeUndefined(
        absl::StrCat("'", std::string(TypeName(value)), "' object cannot be sliced"));
  }
  const Value* given[3] = {start, stop, step};
  int64_t bounds[3] = {0, 0, 1};
  for (int i = 0; i < 3; ++i) {
    if (given[i] != nullptr && given[i]->IsNone()) given[i] = nullptr;
    GANTRY_ASSIGN_OR_RETURN(bounds[i], IntArg(given[i], "slice", bounds[i]));
  }
  if (bounds[2] == 0) return absl::InvalidArgumentError("slice step cannot be zero");
  GANTRY_ASSIGN_OR_RETURN(const int64_t length, Length(runtime, value));
  const Range range = AdjustSlice(length, given[0] ? &bounds[0] : nullptr,
                                  given[1] ? &bounds[1] : nullptr, bounds[2]);
  if (value.IsString()) return SliceText(runtime, value.text(), range);
  GANTRY_RETURN_IF_ERROR(runtime.Spend(range.count));
  const List& list = *value.As<const List*>();
  std::vector<Value> items;
  items.reserve(range.count);
  int64_t at = range.start;
  for (int64_t i = 0; i < range.count; ++i) {
    items.push_back(list.items[at]);
    if (i + 1 < range.count) at += range.step;
  }
  return list.tuple ? runtime.NewTuple(std::move(items)) : runtime.NewList(std::move(items));
}

}  // namespace gantry::jinja
