#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/exit_code.h"
#include "base/flags.h"
#include "base/log.h"
#include "proto/grpc_log.h"
#include "worker/options.h"
#include "worker/worker.h"

ABSL_FLAG(std::string, coordinator, "127.0.0.1:7070", "HOST:PORT of the coordinator to join");
ABSL_FLAG(std::string, device, "cpu",
          "What computes: cpu or cuda:N (or reference: scalar arithmetic, slow)");
ABSL_FLAG(std::string, name, "",
          "Name of this worker, unique among them; also the device's name in a device map. Empty: "
          "host name and process id");
ABSL_FLAG(std::string, memory, "",
          "What weights, keys and values, and activations may take, such as 24GB or 20GiB. Empty: "
          "90 % of what is available");
ABSL_FLAG(std::string, listen, "127.0.0.1:0", "HOST:PORT to serve on; port 0 takes a free one");
ABSL_FLAG(std::string, advertise, "",
          "Host that others reach this worker by. Empty: the one it listens on");
ABSL_FLAG(std::string, model_root, "",
          "Folder with model folders, tried before the path that the coordinator names");
ABSL_FLAG(int, threads, 0, "Threads that compute; 0: one a core");
ABSL_FLAG(std::string, isa, "",
          "Instruction set: avx512, avx2 or portable. Empty: the best that this CPU has");
ABSL_FLAG(std::string, tls_cert, "", "PEM file with this worker's certificate");
ABSL_FLAG(std::string, tls_key, "", "PEM file with its private key");
ABSL_FLAG(std::string, tls_ca, "", "PEM file with the authority that all certificates come from");
ABSL_FLAG(bool, insecure_allow_remote, false,
          "Serve plain text on addresses other than loopback. Only on a network that you trust");
ABSL_FLAG(std::string, log_level, "info", "debug, info, warning or error");
ABSL_FLAG(std::string, log_format, "text", "text or json");

namespace gantry {
namespace {

constexpr auto kLongestStop = std::chrono::milliseconds(800);
constexpr char kUsage[] =
    "worker: runs layers of a model on one device for a coordinator\n\n"
    "  worker --coordinator HOST:7070 --device cpu --memory 24GB --model_root DIR";

WorkerOptions OptionsFromFlags() {
  WorkerOptions options;
  options.coordinator = absl::GetFlag(FLAGS_coordinator);
  options.device = absl::GetFlag(FLAGS_device);
  options.name = absl::GetFlag(FLAGS_name);
  options.listen = absl::GetFlag(FLAGS_listen);
  options.advertise = absl::GetFlag(FLAGS_advertise);
  options.model_root = absl::GetFlag(FLAGS_model_root);
  options.threads = absl::GetFlag(FLAGS_threads);
  options.isa = absl::GetFlag(FLAGS_isa);
  options.tls.cert = absl::GetFlag(FLAGS_tls_cert);
  options.tls.key = absl::GetFlag(FLAGS_tls_key);
  options.tls.ca = absl::GetFlag(FLAGS_tls_ca);
  options.tls.insecure_allow_remote = absl::GetFlag(FLAGS_insecure_allow_remote);
  if (const std::string memory = absl::GetFlag(FLAGS_memory); !memory.empty()) {
    const absl::StatusOr<uint64_t> bytes = ParseBytes(memory);
    if (!bytes.ok()) UsageError(absl::StrCat("--memory: ", bytes.status().message()));
    if (*bytes == 0) UsageError("--memory: expected more than nothing");
    options.memory_bytes = *bytes;
  }
  return options;
}

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kNotFound:
      return kExitUsage;
    default:
      return kExitFailed;
  }
}

// What the thread that waits for signals and the main thread share.
struct Running {
  std::atomic<Worker*> worker{nullptr};  // null before and after it runs
  std::atomic<int> exit_code{kExitDone};
};

// Takes the signals for all threads. The first asks the worker to leave; the second finds the
// default action and ends the process. The exit code is 0 for a member that leaves, 128 + the
// signal for a worker that never was one.
void StopOnSignal(const sigset_t& signals, Running* running) {
  int signal = 0;
  sigwait(&signals, &signal);
  Worker* const worker = running->worker;
  if (worker == nullptr) std::_Exit(128 + signal);
  const int code = worker->has_joined() ? kExitDone : 128 + signal;
  running->exit_code = code;
  LogInfo("leaving");
  worker->Stop();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  // A long step must not hold up the end.
  std::this_thread::sleep_for(kLongestStop);
  if (Worker* const left = running->worker; left != nullptr) left->RemoveSocket();
  std::_Exit(code);
}

int Main(int argc, char** argv) {
  const std::vector<std::string> rest = ParseFlags(argc, argv, kUsage, {"worker/main.cc"});
  if (!rest.empty()) UsageError(absl::StrCat("unexpected argument \"", rest[0], "\""));
  const std::string level = absl::GetFlag(FLAGS_log_level);
  const std::string format = absl::GetFlag(FLAGS_log_format);
  if (!InitLog({"worker", level, format})) {
    UsageError("--log_level is one of debug, info, warning, error; --log_format text or json");
  }
  RouteGrpcLog();
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);

  const WorkerOptions options = OptionsFromFlags();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  static Running running;
  std::thread(StopOnSignal, signals, &running).detach();
  absl::StatusOr<std::unique_ptr<Worker>> worker = Worker::Start(options);
  if (!worker.ok()) {
    LogError(std::string(worker.status().message()));
    return ExitCodeOf(worker.status());
  }
  running.worker = worker->get();
  const absl::Status ended = (*worker)->Run();
  running.worker = nullptr;
  if (const absl::Status device = (*worker)->device_status(); !device.ok()) {
    LogError(absl::StrCat("this worker has lost its device and left: ", device.message()));
    return kExitFailed;
  }
  if (ended.ok()) return running.exit_code;
  LogError(absl::StrCat("the coordinator at ", options.coordinator,
                        " refused this worker: ", ended.ToString()));
  return kExitUnreachable;
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) { return gantry::Main(argc, argv); }
