#ifndef GANTRY_CLIENT_TRACE_TEXT_H_
#define GANTRY_CLIENT_TRACE_TEXT_H_

#include <string>

#include "proto/inference.pb.h"

namespace gantry {

// Where a request's time went, for people: its phases, in each stage waiting and computing, and its
// steps.
std::string TraceText(const v1::RequestTrace& trace);

}  // namespace gantry

#endif  // GANTRY_CLIENT_TRACE_TEXT_H_
