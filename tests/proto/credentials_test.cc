#include "proto/credentials.h"

#include <string>

#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string WriteFile(const std::string& name, const std::string& text) {
  static const TempFolder folder;  // of this process: tests run beside each other
  return folder.Write(name, text);
}

TlsOptions Options(const std::string& cert, const std::string& key, const std::string& ca) {
  TlsOptions options;
  options.cert = cert;
  options.key = key;
  options.ca = ca;
  return options;
}

// Only its frame is read before a handshake.
std::string SomePem() {
  return WriteFile("gantry_some.pem", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
}

TEST(CredentialsTest, PlainTextStaysOnThisMachine) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const Credentials credentials, Credentials::Load({}));
  EXPECT_FALSE(credentials.tls());
  for (const char* address :
       {"127.0.0.1:7070", "127.8.9.1:1", "localhost:7070", "[::1]:7070", "unix:/tmp/s", "unix:s"}) {
    GANTRY_EXPECT_OK(credentials.CheckAddress(address));
  }
  for (const char* address :
       {"0.0.0.0:7070", "10.0.0.1:7070", "[::]:7070", "gpu1:7070", "localhost.example.com:7070",
        "128.127.0.1:7070", ":7070", "", "[fe80::1]:7070", "1.2.3.4", "[::ffff:10.0.0.1]:70"}) {
    EXPECT_THAT(credentials.CheckAddress(address),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         AllOf(HasSubstr(address), HasSubstr("--insecure_allow_remote"))))
        << address;
  }
}

// A name that merely looks like loopback belongs to whoever owns the domain.
TEST(CredentialsTest, NameThatBeginsLikeLoopbackIsRemote) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const Credentials credentials, Credentials::Load({}));
  EXPECT_THAT(credentials.CheckAddress("127.0.0.1.example.com:7070"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("plain text")));
}

TEST(CredentialsTest, InsecureAllowRemoteAllows) {
  TlsOptions options;
  options.insecure_allow_remote = true;
  GANTRY_ASSERT_OK_AND_ASSIGN(const Credentials credentials, Credentials::Load(options));
  GANTRY_EXPECT_OK(credentials.CheckAddress("10.0.0.1:7070"));
}

TEST(CredentialsTest, WithTlsAnyAddressIsServed) {
  const std::string pem = SomePem();
  GANTRY_ASSERT_OK_AND_ASSIGN(const Credentials credentials,
                              Credentials::Load(Options(pem, pem, pem)));
  EXPECT_TRUE(credentials.tls());
  GANTRY_EXPECT_OK(credentials.CheckAddress("10.0.0.1:7070"));
}

TEST(CredentialsTest, FilesAreNeededTogether) {
  const std::string pem = SomePem();
  for (int given = 1; given < 7; ++given) {
    EXPECT_THAT(Credentials::Load(
                    Options(given & 1 ? pem : "", given & 2 ? pem : "", given & 4 ? pem : "")),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("needed together")))
        << given;
  }
}

TEST(CredentialsTest, MissingFileIsNamedWithItsFlag) {
  const std::string pem = SomePem();
  EXPECT_THAT(Credentials::Load(Options(pem, "/nowhere/key.pem", pem)),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("--tls_key"), HasSubstr("/nowhere/key.pem"))));
}

TEST(CredentialsTest, FileThatIsNoPemIsNamedWithItsFlag) {
  const std::string pem = SomePem();
  const std::string text = WriteFile("gantry_no.pem", "hello\n");
  EXPECT_THAT(
      Credentials::Load(Options(pem, pem, text)),
      StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("--tls_ca"), HasSubstr(text))));
}

}  // namespace
}  // namespace gantry
