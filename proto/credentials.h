#ifndef GANTRY_PROTO_CREDENTIALS_H_
#define GANTRY_PROTO_CREDENTIALS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/grpcpp.h"

namespace gantry {

// Who a certificate says its holder is. deploy/make_certs.sh puts the name into the certificate as
// a DNS name; peers check this name rather than a host's, since workers come and go on any address.
inline constexpr char kCoordinatorRole[] = "coordinator.gantry";
inline constexpr char kWorkerRole[] = "worker.gantry";
inline constexpr char kClientRole[] = "client.gantry";

// --tls_cert, --tls_key, --tls_ca: paths of PEM files. All three or none.
struct TlsOptions {
  std::string cert;
  std::string key;
  std::string ca;
  // Serve plain text on addresses other than loopback. Debian's gRPC is vulnerable to
  // CVE-2023-33953 there.
  bool insecure_allow_remote = false;
  bool enabled() const { return !cert.empty(); }
};

// The files read and checked. Mutual TLS, or plain text when no files are given.
class Credentials {
 public:
  // INVALID_ARGUMENT when some but not all files are named or one is no PEM; NOT_FOUND names a
  // missing file.
  static absl::StatusOr<Credentials> Load(const TlsOptions& options);

  bool tls() const { return !key_.empty(); }
  // FAILED_PRECONDITION when `address` is neither loopback nor unix: and the text would be plain.
  absl::Status CheckAddress(absl::string_view address) const;
  // FAILED_PRECONDITION when `address`, whose text is plain in any case, is not loopback.
  absl::Status CheckHttpAddress(absl::string_view address) const;
  std::shared_ptr<grpc::ServerCredentials> Server() const;
  std::shared_ptr<grpc::ChannelCredentials> Channel() const;
  // PERMISSION_DENIED unless the caller's certificate carries `role`; always OK in plain text.
  absl::Status RequireRole(const grpc::ServerContextBase& context, absl::string_view role) const;
  // The names in the caller's certificate: the subject's common name, then the others. Empty in
  // plain text.
  std::string CallerName(const grpc::ServerContextBase& context) const;

 private:
  std::string cert_;
  std::string key_;
  std::string ca_;
  bool insecure_allow_remote_ = false;
};

}  // namespace gantry

#endif  // GANTRY_PROTO_CREDENTIALS_H_
