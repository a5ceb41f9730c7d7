#include "proto/grpc_log.h"

#include "gtest/gtest.h"

namespace gantry {
namespace {

TEST(GrpcLogTest, AFailedHandshakeIsOneSentence) {
  EXPECT_EQ(
      DescribeGrpcMessage("Security handshake failed: UNKNOWN:Ssl handshake failed: SSL_ERROR_SSL: "
                          "certificate verify failed {file:\"a.cc\", tsi_code:10}",
                          false),
      "TLS handshake failed: Ssl handshake failed: SSL_ERROR_SSL: certificate verify failed");
  EXPECT_EQ(
      DescribeGrpcMessage("Security handshake failed: UNKNOWN:Handshake read failed {fd:9}", false),
      "TLS handshake failed: the peer broke it off; it may not trust this certificate");
}

TEST(GrpcLogTest, WhatRepeatsItOrIsNoErrorIsDropped) {
  EXPECT_EQ(DescribeGrpcMessage("Handshaking failed: UNKNOWN:Ssl handshake failed", true), "");
  EXPECT_EQ(DescribeGrpcMessage("subchannel 0x55 {address=x}: connect failed (handshake)", false),
            "");
  EXPECT_EQ(DescribeGrpcMessage("lb policy chosen", false), "");
}

TEST(GrpcLogTest, ErrorsLoseTheirAttributes) {
  EXPECT_EQ(DescribeGrpcMessage("No address added {fd:3}", true), "gRPC: No address added");
}

}  // namespace
}  // namespace gantry
