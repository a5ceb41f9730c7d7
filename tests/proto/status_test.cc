#include "proto/status.h"

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

TEST(StatusTest, MessageBecomesUtf8) {
  EXPECT_EQ(ToGrpcStatus(absl::NotFoundError("a\xff")).error_message(), "a\xef\xbf\xbd");
}

}  // namespace
}  // namespace gantry
