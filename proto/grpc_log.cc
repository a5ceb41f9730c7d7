#include "proto/grpc_log.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "grpc/support/log.h"

namespace gantry {
namespace {

void Log(gpr_log_func_args* args) {
  const absl::string_view message = args->message;
  if (absl::StrContains(message, "andshak") || absl::StrContains(message, "SSL_ERROR")) {
    LogWarning(absl::StrCat("TLS: ", message));
  } else if (args->severity == GPR_LOG_SEVERITY_ERROR) {
    LogWarning(absl::StrCat("gRPC: ", message));
  }
}

}  // namespace

void RouteGrpcLog() {
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_DEBUG);
  gpr_set_log_function(Log);
}

}  // namespace gantry
