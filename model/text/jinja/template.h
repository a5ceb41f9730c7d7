#ifndef GANTRY_MODEL_TEXT_JINJA_TEMPLATE_H_
#define GANTRY_MODEL_TEXT_JINJA_TEMPLATE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/text/jinja/parser.h"
#include "model/text/jinja/runtime.h"
#include "model/text/marked_text.h"

namespace gantry::jinja {

// A parsed template of the Jinja2 that chat templates use, in the environment in which
// transformers renders them: sandboxed and immutable, trim_blocks, lstrip_blocks, loop controls,
// `generation` blocks, raise_exception, strftime_now and a plain tojson. Not there: inheritance,
// include, import, recursive loops, autoescaping, integers beyond 64 bits. Thread-safe.
class Template {
 public:
  // INVALID_ARGUMENT with line and column; RESOURCE_EXHAUSTED beyond the limits.
  static absl::StatusOr<std::unique_ptr<Template>> Parse(absl::string_view source,
                                                         const ParseLimits& limits = {});

  // Renders with the variables, whose containers belong to *runtime. A runtime serves one
  // rendering. INVALID_ARGUMENT for an error of the template ("line 3: ...", or the bare words of
  // raise_exception), RESOURCE_EXHAUSTED when it passes a limit.
  absl::StatusOr<MarkedText> Render(Runtime* runtime,
                                    std::vector<std::pair<std::string, Value>> variables) const;

 private:
  Template() = default;
  Ast ast_;
};

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_TEMPLATE_H_
