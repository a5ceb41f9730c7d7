#include "proto/status.h"

#include "proto/details.pb.h"
#include "proto/retry_info.h"

#include "tests/status_matchers.h"

namespace gantry {
namespace {

TEST(StatusTest, EveryCodeGoesThereAndBack) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "what happened");
    const grpc::Status wire = ToGrpcStatus(status);
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_EQ(FromGrpcStatus(wire), status);
  }
}

TEST(StatusTest, OkIsOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  GANTRY_EXPECT_OK(FromGrpcStatus(grpc::Status::OK));
}

TEST(StatusTest, NamesOfCodesAgree) {
  EXPECT_EQ(ToGrpcStatus(absl::UnavailableError("")).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ToGrpcStatus(absl::ResourceExhaustedError("")).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(StatusTest, WhenToTryAgainGoesThereAndBack) {
  absl::Status status = absl::ResourceExhaustedError("full");
  EXPECT_EQ(GetRetryDelay(status), std::nullopt);
  SetRetryDelay(absl::Milliseconds(2500), &status);
  const grpc::Status wire = ToGrpcStatus(status);
  EXPECT_EQ(FromGrpcStatus(wire), status);
  EXPECT_EQ(GetRetryDelay(FromGrpcStatus(wire)), absl::Milliseconds(2500));

  v1::RpcStatus details;
  ASSERT_TRUE(details.ParseFromString(wire.error_details()));
  EXPECT_EQ(details.code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(details.message(), "full");
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/google.rpc.RetryInfo");
  // Field 1 of RetryInfo, a Duration: 2 s in its field 1, 500,000,000 ns in its field 2.
  EXPECT_EQ(details.details(0).value(),
            std::string("\x0a\x08\x08\x02\x10\x80\xca\xb5\xee\x01", 10));
}

TEST(StatusTest, MalformedDetailsAreLeftOut) {
  const grpc::Status wire(grpc::StatusCode::UNAVAILABLE, "gone", "\xff\xff");
  EXPECT_EQ(FromGrpcStatus(wire), absl::UnavailableError("gone"));
  absl::Status status = absl::UnavailableError("gone");
  status.SetPayload("type.googleapis.com/google.rpc.RetryInfo", absl::Cord("\xff"));
  EXPECT_EQ(GetRetryDelay(status), std::nullopt);
}

TEST(StatusTest, MessageBecomesUtf8) {
  EXPECT_EQ(ToGrpcStatus(absl::NotFoundError("a\xff")).error_message(), "a\xef\xbf\xbd");
}

}  // namespace
}  // namespace gantry
