#include <ctime>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/jinja/builtin.h"
#include "model/text/jinja/operators.h"
#include "model/text/jinja/print.h"

namespace gantry::jinja {
namespace {

using Bound = std::vector<const Value*>;

absl::StatusOr<Value> RangeFunction(Runtime& runtime, const Value&, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("range", args, {"start", "stop", "step"}, 1));
  GANTRY_ASSIGN_OR_RETURN(int64_t start, IntArg(bound[0], "start", 0));
  GANTRY_ASSIGN_OR_RETURN(int64_t stop, IntArg(bound[1], "stop", 0));
  GANTRY_ASSIGN_OR_RETURN(const int64_t step, IntArg(bound[2], "step", 1));
  if (bound[1] == nullptr) stop = std::exchange(start, 0);
  if (step == 0) return absl::InvalidArgumentError("range: step must not be zero");
  __int128 count = 0;
  if (step > 0 && start < stop) count = (static_cast<__int128>(stop) - start + step - 1) / step;
  if (step < 0 && start > stop)
    count = (static_cast<__int128>(start) - stop - step - 1) / -static_cast<__int128>(step);
  if (count > runtime.limits().range) {
    return absl::ResourceExhaustedError(
        absl::StrCat("range: more than ", runtime.limits().range, " numbers"));
  }
  GANTRY_RETURN_IF_ERROR(runtime.Spend(static_cast<uint64_t>(count)));
  std::vector<Value> items;
  items.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) items.emplace_back(start + i * step);
  return runtime.NewList(std::move(items));
}

// The pairs that dict(...) and namespace(...) take.
absl::StatusOr<std::vector<std::pair<Value, Value>>> Pairs(Runtime& runtime, const Args& args) {
  std::vector<std::pair<Value, Value>> entries;
  if (args.positional.size() > 1) return absl::InvalidArgumentError("dict: one argument at most");
  for (const Value& source : args.positional) {
    if (source.Holds<const Dict*>()) {
      entries = source.As<const Dict*>()->entries;
      GANTRY_RETURN_IF_ERROR(runtime.Spend(entries.size()));
      continue;
    }
    GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, source));
    for (const Value& item : items) {
      GANTRY_ASSIGN_OR_RETURN(std::vector<Value> pair, Iterate(runtime, item));
      if (pair.size() != 2) return absl::InvalidArgumentError("dict: expected pairs");
      entries.emplace_back(std::move(pair[0]), std::move(pair[1]));
    }
  }
  for (const auto& [name, value] : args.named) entries.emplace_back(MakeString(name), value);
  return entries;
}

absl::StatusOr<Value> DictFunction(Runtime& runtime, const Value&, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(auto entries, Pairs(runtime, args));
  return runtime.NewDict(std::move(entries));
}

absl::StatusOr<Value> NamespaceFunction(Runtime& runtime, const Value&, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(auto entries, Pairs(runtime, args));
  Namespace* made = runtime.NewNamespace();
  for (auto& [key, value] : entries) {
    if (!key.IsString()) return absl::InvalidArgumentError("namespace: names must be strings");
    made->attributes.insert_or_assign(key.text()->bytes, std::move(value));
  }
  return Value(made);
}

absl::StatusOr<Value> RaiseException(Runtime& runtime, const Value&, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("raise_exception", args, {"message"}, 1));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr text, ToText(runtime, *bound[0]));
  runtime.raised = true;
  return absl::InvalidArgumentError(text->bytes);
}

absl::StatusOr<Value> StrftimeNow(Runtime& runtime, const Value&, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("strftime_now", args, {"format"}, 1));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr format, TextArg(bound[0], "format", ""));
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(4096));
  const std::time_t now = runtime.now ? static_cast<std::time_t>(*runtime.now) : std::time(nullptr);
  std::tm parts{};
  if (localtime_r(&now, &parts) == nullptr) {
    return absl::InvalidArgumentError("strftime_now: a time out of range");
  }
  // With a character in front, because an empty result looks like one that does not fit.
  char buffer[1024];
  const size_t size = std::strftime(buffer, sizeof(buffer), ("." + format->bytes).c_str(), &parts);
  if (size == 0) return absl::ResourceExhaustedError("strftime_now: a date of 1,023 bytes or more");
  std::string date(buffer + 1, size - 1);
  return Value(format->user.empty() ? TrustedText(std::move(date)) : UserText(std::move(date)));
}

constexpr Builtin kFunctions[] = {
    {"range", RangeFunction},         {"dict", DictFunction},
    {"namespace", NamespaceFunction}, {"raise_exception", RaiseException},
    {"strftime_now", StrftimeNow},
};

}  // namespace

const Builtin* FindFunction(absl::string_view name) { return FindBuiltin(kFunctions, name); }

}  // namespace gantry::jinja
