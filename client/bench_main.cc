// bench: loads a coordinator and prints how fast it answers. See --help.

#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "base/exit_code.h"
#include "base/flags.h"
#include "base/json.h"
#include "client/bench_flags.h"
#include "client/connection_flags.h"
#include "client/load.h"
#include "client/load_report.h"
#include "proto/message_json.h"

namespace gantry {
namespace {

LoadReport MeasureLevel(const Client& client, const BenchOptions& options, int concurrency) {
  const LoadOptions load = LevelOptions(options, concurrency);
  if (options.warmup > 0) {
    LoadOptions warmup = load;
    warmup.requests = options.warmup;
    warmup.seed ^= uint64_t{1} << 63;  // other prompts than those that count
    RunLoad(client, warmup, Clock::Real());
  }
  std::cerr << "bench: " << load.requests << " requests, " << concurrency << " at a time\n";
  return MakeLoadReport(load, RunLoad(client, load, Clock::Real()));
}

Json ReportJson(const Client& client, const v1::GetStatusResponse& status,
                const BenchOptions& options, const std::vector<LoadReport>& reports) {
  Json levels = Json::array();
  for (const LoadReport& report : reports) levels.push_back(LoadReportJson(report));
  return Json{{"server", client.target()},
              {"model", status.model()},
              {"version", status.version()},
              {"device_map", StatusJson(status)["device_map"]},
              {"prompt_tokens", options.load.prompt_tokens},
              {"max_new_tokens", options.load.max_new_tokens},
              {"seed", options.load.seed},
              {"levels", std::move(levels)}};
}

int Fail(const absl::Status& status, ExitCode code) {
  std::cerr << "bench: " << status.ToString() << "\n";
  return code;
}

int Main(int argc, char** argv) {
  const std::vector<std::string> extra =
      ParseFlags(argc, argv, kBenchUsage, {"client/bench_flags", "client/connection_flags"});
  if (!extra.empty()) UsageError(absl::StrCat("unexpected argument \"", extra[0], "\""));
  absl::StatusOr<BenchOptions> options = BenchOptionsFromFlags();
  if (!options.ok()) UsageError(options.status().message());

  const Client client = ClientFromFlags();
  if (const absl::Status connected = ConnectAsFlagsSay(client, nullptr); !connected.ok()) {
    return Fail(connected, absl::IsUnavailable(connected) ? kExitUnreachable : kExitFailed);
  }
  const absl::StatusOr<v1::GetStatusResponse> status = client.GetStatus();
  if (!status.ok()) return Fail(status.status(), kExitFailed);
  if (!status->ready()) {
    return Fail(absl::UnavailableError(absl::StrCat(client.target(), " is not ready: ",
                                                    status->reason(), "; --wait 60s waits for it")),
                kExitFailed);
  }
  if (const absl::Status fits = FitToServer(*status, &*options); !fits.ok()) {
    UsageError(fits.message());
  }

  std::vector<LoadReport> reports;
  for (int concurrency : options->concurrency) {
    reports.push_back(MeasureLevel(client, *options, concurrency));
  }
  const Json json = ReportJson(client, *status, *options, reports);
  std::cout << (options->json ? DumpJson(json, 1) + "\n" : LoadReportTables(reports)) << std::flush;
  if (!options->output.empty()) {
    std::ofstream file(options->output);
    file << DumpJson(json, 1) << "\n";
    if (!file.flush()) {
      return Fail(absl::UnknownError(absl::StrCat("cannot write ", options->output)), kExitFailed);
    }
  }
  for (const LoadReport& report : reports) {
    if (report.failed > 0) return Fail(report.error, kExitFailed);
  }
  return kExitDone;
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) { return gantry::Main(argc, argv); }
