#ifndef GANTRY_CLIENT_GENERATE_H_
#define GANTRY_CLIENT_GENERATE_H_

#include "absl/status/status.h"
#include "client/client.h"
#include "client/generate_options.h"
#include "client/output.h"

namespace gantry {

// Does what the options say, except kInteractive (client/chat_loop.h), and writes the result. What
// a person should know meanwhile goes to `errors`.
absl::Status RunGenerate(const GenerateOptions& options, const Client& client,
                         Cancellation* cancellation, Output* output, Output* errors);

}  // namespace gantry

#endif  // GANTRY_CLIENT_GENERATE_H_
