#ifndef GANTRY_MODEL_TEXT_JINJA_SEQUENCE_FILTERS_H_
#define GANTRY_MODEL_TEXT_JINJA_SEQUENCE_FILTERS_H_

#include "model/text/jinja/builtin.h"

namespace gantry::jinja {

// The filters that look at the items of a value; null when there is none of that name.
const Builtin* FindSequenceFilter(absl::string_view name);

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_SEQUENCE_FILTERS_H_
