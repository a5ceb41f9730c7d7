// generate: asks a coordinator, and prints what it answers. See --help.

#include <signal.h>
#include <unistd.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "base/exit_code.h"
#include "base/flags.h"
#include "client/chat_loop.h"
#include "client/connection_flags.h"
#include "client/generate.h"
#include "client/generate_flags.h"
#include "client/interrupts.h"

namespace gantry {
namespace {

int Main(int argc, char** argv) {
  const std::vector<std::string> extra =
      ParseFlags(argc, argv, kGenerateUsage, {"client/generate_flags", "client/connection_flags"});
  if (!extra.empty()) {
    UsageError(absl::StrCat("unexpected argument \"", extra[0], "\"; put text behind --chat"));
  }
  const absl::StatusOr<GenerateOptions> options = GenerateOptionsFromFlags(std::cin);
  if (!options.ok()) UsageError(options.status().message());
  const bool interactive = options->action == GenerateOptions::Action::kInteractive;

  signal(SIGPIPE, SIG_IGN);
  Output output(STDOUT_FILENO);
  Output errors(STDERR_FILENO);
  static Interrupts* const interrupts = new Interrupts([interactive](int signal) {
    if (!interactive || signal != SIGINT) _exit(128 + signal);
    Output(STDOUT_FILENO).Write(absl::StrCat("\n(Ctrl-D leaves)\n", kChatPrompt)).IgnoreError();
  });
  DeliverSignalsTo(interrupts);

  const Client client = ClientFromFlags();
  absl::Status status;
  bool connected = false;
  {
    InterruptibleCall call(interrupts);
    status = ConnectAsFlagsSay(client, call.cancellation());
    connected = status.ok();
    if (connected && !interactive) {
      status = RunGenerate(*options, client, call.cancellation(), &output, &errors);
    }
  }
  if (connected && interactive) {
    status = RunChatLoop(*options, client, interrupts, std::cin, &output, &errors);
  }
  if (status.ok() || output.closed()) return kExitDone;
  if (absl::IsCancelled(status) && interrupts->last_signal() != 0) {
    return 128 + interrupts->last_signal();
  }
  std::cerr << "generate: " << status.ToString() << "\n";
  return connected || !absl::IsUnavailable(status) ? kExitFailed : kExitUnreachable;
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) { return gantry::Main(argc, argv); }
