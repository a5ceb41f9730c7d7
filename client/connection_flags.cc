#include "client/connection_flags.h"

#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/flags.h"
#include "proto/credentials.h"

ABSL_FLAG(std::string, server, "127.0.0.1:7070",
          "Where the coordinator listens: HOST:PORT or unix:PATH.");
ABSL_FLAG(absl::Duration, wait, absl::ZeroDuration(),
          "Keep trying for this long until the server is ready, e.g. 60s; 0s makes one attempt to "
          "connect.");
ABSL_FLAG(std::string, tls_cert, "",
          "Certificate of this client, PEM. With --tls_key and --tls_ca: mutual TLS. "
          "deploy/make_certs.sh makes all three.");
ABSL_FLAG(std::string, tls_key, "", "Private key of --tls_cert, PEM.");
ABSL_FLAG(std::string, tls_ca, "", "Certificate of the authority that signed the server's, PEM.");
ABSL_FLAG(bool, insecure_allow_remote, false,
          "Send prompts in plain text to an address that is not this machine's.");

namespace gantry {

Client ClientFromFlags() {
  const std::string server = absl::GetFlag(FLAGS_server);
  if (!absl::StrContains(server, ':')) {
    UsageError(absl::StrCat("--server: expected HOST:PORT or unix:PATH, found \"", server, "\""));
  }
  const absl::StatusOr<Credentials> credentials =
      Credentials::Load({.cert = absl::GetFlag(FLAGS_tls_cert),
                         .key = absl::GetFlag(FLAGS_tls_key),
                         .ca = absl::GetFlag(FLAGS_tls_ca),
                         .insecure_allow_remote = absl::GetFlag(FLAGS_insecure_allow_remote)});
  if (!credentials.ok()) UsageError(credentials.status().message());
  absl::StatusOr<Client> client = Client::Make(server, *credentials);
  if (!client.ok()) UsageError(client.status().message());
  return *std::move(client);
}

absl::Status ConnectAsFlagsSay(const Client& client, Cancellation* cancellation) {
  const absl::Duration wait = absl::GetFlag(FLAGS_wait);
  if (wait > absl::ZeroDuration()) return client.WaitReady(wait, cancellation);
  return client.WaitConnected(absl::ZeroDuration(), cancellation);
}

}  // namespace gantry
