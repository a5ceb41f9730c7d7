#ifndef GANTRY_CLIENT_CHAT_LOOP_H_
#define GANTRY_CLIENT_CHAT_LOOP_H_

#include <istream>

#include "absl/status/status.h"
#include "client/client.h"
#include "client/generate_options.h"
#include "client/interrupts.h"
#include "client/output.h"

namespace gantry {

// What stands before each line that a person types.
inline constexpr char kChatPrompt[] = "> ";

// Asks what is read from `input`, a line a message, and writes the answers; each request carries
// all that was said before. The line /reset forgets it. An interrupted answer stays as far as it
// came; a message whose request failed is dropped, its error goes to `errors`, and the chat goes
// on. Ends at the end of `input`, or with CANCELLED after SIGTERM or when the output is closed.
absl::Status RunChatLoop(const GenerateOptions& options, const Client& client,
                         Interrupts* interrupts, std::istream& input, Output* output,
                         Output* errors);

}  // namespace gantry

#endif  // GANTRY_CLIENT_CHAT_LOOP_H_
