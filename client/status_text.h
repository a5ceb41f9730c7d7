#ifndef GANTRY_CLIENT_STATUS_TEXT_H_
#define GANTRY_CLIENT_STATUS_TEXT_H_

#include <string>
#include <vector>

#include "proto/inference.pb.h"

namespace gantry {

// The server's state for people: what it serves, a table of workers, one of stages, counters.
std::string StatusText(const v1::GetStatusResponse& status);

// "model.embed_tokens, model.layers.0-3, model.norm" for the modules in this order: names that
// differ only in a last number, each one more than the one before, become a range.
std::string ModuleRanges(const std::vector<std::string>& modules);

}  // namespace gantry

#endif  // GANTRY_CLIENT_STATUS_TEXT_H_
