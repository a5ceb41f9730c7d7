#ifndef GANTRY_CLIENT_GENERATE_CALL_H_
#define GANTRY_CLIENT_GENERATE_CALL_H_

#include "client/client.h"
#include "client/generate_options.h"
#include "client/output.h"

namespace gantry {

// For the calls of `generate`. Tells `errors` when a stream breaks that is asked for again.
CallOptions MakeCallOptions(const GenerateOptions& options, Cancellation* cancellation,
                            Output* errors);

}  // namespace gantry

#endif  // GANTRY_CLIENT_GENERATE_CALL_H_
