#ifndef GANTRY_MODEL_TEXT_JINJA_FORMAT_H_
#define GANTRY_MODEL_TEXT_JINJA_FORMAT_H_

#include "absl/status/statusor.h"
#include "model/text/jinja/builtin.h"

namespace gantry::jinja {

// format % values: %s %r %d %i %x %X %o %f %F %e %E %g %G %c %%, with flags, width, precision and
// (name). `values` is a tuple, a dict for names, or one value.
absl::StatusOr<Value> FormatPercent(Runtime& runtime, const Value& format, const Value& values);

// format.format(...): {}, {0}, {name}, with [[fill]align][sign][0][width][,][.precision][type] for
// the types s d x X o b f F e E g G %; {{ and }}. Lookups ({a.b}, {a[0]}) and conversions ({!r})
// are refused.
absl::StatusOr<Value> FormatBraces(Runtime& runtime, const Text& format, const Args& args);

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_FORMAT_H_
