#ifndef GANTRY_MODEL_TEXT_JINJA_RUNTIME_H_
#define GANTRY_MODEL_TEXT_JINJA_RUNTIME_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/text/jinja/value.h"

namespace gantry::jinja {

struct Expr;
struct Macro;
struct Builtin;

// What one rendering may spend. Templates come with checkpoints, from strangers.
struct RenderLimits {
  // An evaluated node, a visited item.
  int64_t steps = 1'000'000;
  // Bytes of all strings made on the way.
  int64_t bytes = 64 << 20;
  int64_t output_bytes = 16 << 20;
  // Of one list; Jinja's sandbox has the same cap on range().
  int64_t range = 100'000;
  // Nested expressions, statements and macro calls together.
  int depth = 400;
};

// Names visible in a part of a template, by symbol.
struct Scope {
  Scope* parent = nullptr;
  bool captured = false;  // by a macro, which looks names up when it is called
  absl::flat_hash_map<int, Value> names;
};

// Something that can be called: a function or method of ours with its receiver, or a macro with
// the scope it was defined in.
struct Callable {
  const Builtin* builtin = nullptr;
  Value self;
  const Macro* macro = nullptr;
  Scope* scope = nullptr;
};

// Owns what a rendering makes and counts what it spends.
class Runtime {
 public:
  explicit Runtime(const RenderLimits& limits = {}) : limits_(limits) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const RenderLimits& limits() const { return limits_; }
  // Both return RESOURCE_EXHAUSTED when the total passes its limit. Called before the work is done
  // or the memory taken.
  absl::Status Spend(uint64_t steps);
  absl::Status SpendBytes(uint64_t bytes);

  Value NewList(std::vector<Value> items);
  Value NewTuple(std::vector<Value> items);
  // Of two equal keys the last one counts. INVALID_ARGUMENT for a key that cannot be hashed.
  absl::StatusOr<Value> NewDict(std::vector<std::pair<Value, Value>> entries);
  Namespace* NewNamespace();
  Value NewCallable(Callable callable);
  Loop* NewLoop();
  Scope* NewScope(Scope* parent);

  // The time of strftime_now; the present when absent.
  std::optional<int64_t> now;
  // Set when the template itself called raise_exception.
  bool raised = false;

 private:
  RenderLimits limits_;
  uint64_t steps_ = 0;
  uint64_t bytes_ = 0;
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::deque<Namespace> namespaces_;
  std::deque<Callable> callables_;
  std::deque<Loop> loops_;
  std::deque<Scope> scopes_;
};

// The text that equal keys of a dict share. INVALID_ARGUMENT for lists and dicts.
absl::StatusOr<std::string> DictKey(const Value& key, int depth = 0);

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_RUNTIME_H_
