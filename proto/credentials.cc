#include "proto/credentials.h"

#include <arpa/inet.h>

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

constexpr uint64_t kMaxPemBytes = 1 << 20;

absl::StatusOr<std::string> ReadPem(const std::string& path, absl::string_view flag) {
  absl::StatusOr<std::string> pem = ReadFile(path, kMaxPemBytes);
  if (!pem.ok()) return Annotate(pem.status(), flag);
  if (!absl::StrContains(*pem, "-----BEGIN ")) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": expected a PEM file, found none in ", path));
  }
  return pem;
}

// "host" of "host:port", without brackets.
absl::string_view Host(absl::string_view address) {
  absl::string_view host = address.substr(0, address.rfind(':'));
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  return host;
}

// Numbers only: 127.0.0.1.example.com is whatever its owner says.
bool IsLoopback(absl::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  in_addr address;
  return inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 &&
         ntohl(address.s_addr) >> 24 == 127;
}

}  // namespace

absl::StatusOr<Credentials> Credentials::Load(const TlsOptions& options) {
  Credentials credentials;
  credentials.insecure_allow_remote_ = options.insecure_allow_remote;
  const int given = !options.cert.empty() + !options.key.empty() + !options.ca.empty();
  if (given == 0) return credentials;
  if (given != 3) {
    return absl::InvalidArgumentError(
        "--tls_cert, --tls_key and --tls_ca are needed together; deploy/make_certs.sh makes them");
  }
  GANTRY_ASSIGN_OR_RETURN(credentials.cert_, ReadPem(options.cert, "--tls_cert"));
  GANTRY_ASSIGN_OR_RETURN(credentials.key_, ReadPem(options.key, "--tls_key"));
  GANTRY_ASSIGN_OR_RETURN(credentials.ca_, ReadPem(options.ca, "--tls_ca"));
  return credentials;
}

absl::Status Credentials::CheckAddress(absl::string_view address) const {
  if (tls() || insecure_allow_remote_ || absl::StartsWith(address, "unix:")) {
    return absl::OkStatus();
  }
  if (IsLoopback(Host(address))) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("will not use ", address,
                   " in plain text: give --tls_cert, --tls_key and --tls_ca (deploy/make_certs.sh "
                   "makes them), or --insecure_allow_remote on a network that you trust"));
}

absl::Status Credentials::CheckHttpAddress(absl::string_view address) const {
  if (insecure_allow_remote_ || IsLoopback(Host(address))) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("--http: will not serve on ", address,
                   ", which is plain text: serve it on 127.0.0.1 behind a proxy that has TLS, or "
                   "give --insecure_allow_remote on a network that you trust"));
}

std::shared_ptr<grpc::ServerCredentials> Credentials::Server() const {
  if (!tls()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = ca_;
  options.pem_key_cert_pairs.push_back({key_, cert_});
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> Credentials::Channel() const {
  if (!tls()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = ca_;
  options.pem_private_key = key_;
  options.pem_cert_chain = cert_;
  return grpc::SslCredentials(options);
}

std::string Credentials::CallerName(const grpc::ServerContextBase& context) const {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (!tls() || auth == nullptr) return "";
  std::vector<std::string> names;
  for (const char* property : {GRPC_X509_CN_PROPERTY_NAME, GRPC_X509_SAN_PROPERTY_NAME}) {
    for (const grpc::string_ref& name : auth->FindPropertyValues(property)) {
      names.emplace_back(name.data(), name.size());
    }
  }
  return absl::StrJoin(names, ",");
}

absl::Status Credentials::RequireRole(const grpc::ServerContextBase& context,
                                      absl::string_view role) const {
  if (!tls()) return absl::OkStatus();
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  // A UNIX socket of ours is plain text behind the permissions of its folder.
  if (absl::StartsWith(context.peer(), "unix:")) return absl::OkStatus();
  if (auth != nullptr) {
    for (const grpc::string_ref& name : auth->FindPropertyValues(GRPC_X509_SAN_PROPERTY_NAME)) {
      if (absl::string_view(name.data(), name.size()) == role) return absl::OkStatus();
    }
  }
  return absl::PermissionDeniedError(
      absl::StrCat("this call needs a certificate for ", role, "; the caller's has other names"));
}

}  // namespace gantry
