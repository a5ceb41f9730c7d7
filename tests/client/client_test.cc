#include "client/client.h"

#include <thread>
#include <vector>

#include "proto/retry_info.h"
#include "proto/status.h"
#include "tests/client/fake_inference.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// On which nothing listens: discard's port needs privileges, and nobody serves it.
constexpr char kDeadTarget[] = "127.0.0.1:9";

Client PlainClient(const std::string& target) {
  return *Client::Make(target, *Credentials::Load({}));
}

absl::Status Ignore(const v1::GenerateResponse&) { return absl::OkStatus(); }

TEST(ClientTest, RemotePlainTextIsRefused) {
  TlsOptions options;
  EXPECT_THAT(Client::Make("192.0.2.1:7070", *Credentials::Load(options)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("192.0.2.1:7070")));
  options.insecure_allow_remote = true;
  GANTRY_EXPECT_OK(Client::Make("192.0.2.1:7070", *Credentials::Load(options)));
}

TEST(ClientTest, UnreachableServerIsNamedWithReasonAndAdvice) {
  EXPECT_THAT(PlainClient(kDeadTarget).WaitConnected(absl::ZeroDuration()),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr(kDeadTarget), HasSubstr("Connection refused"),
                             HasSubstr("--server"))));
}

TEST(ClientTest, WaitingForAnUnreachableServerCanBeCancelled) {
  Cancellation cancellation;
  cancellation.Cancel();
  EXPECT_THAT(PlainClient(kDeadTarget).WaitConnected(absl::Hours(1), &cancellation),
              StatusIs(absl::StatusCode::kCancelled, _));
}

TEST(ClientTest, ConnectsToALivingServer) {
  const FakeInference server;
  GANTRY_EXPECT_OK(server.MakeClient().WaitConnected(absl::ZeroDuration()));
}

TEST(ClientTest, ReadinessIsTheServersWord) {
  FakeInference server;
  server.status.set_reason("2 of 3 workers");
  EXPECT_THAT(server.MakeClient().WaitReady(absl::ZeroDuration()),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("not ready"), HasSubstr("2 of 3 workers"))));
  FakeInference ready;
  ready.status.set_ready(true);
  GANTRY_EXPECT_OK(ready.MakeClient().WaitReady(absl::ZeroDuration()));
}

TEST(ClientTest, GenerateDeliversEventsInOrder) {
  FakeInference server;
  server.events = {TokenEvent(0, 5, "a"), TokenEvent(1, 6, "b"),
                   FinishEvent(v1::FINISH_REASON_STOP, "c", 3, 2)};
  std::string text;
  GANTRY_ASSERT_OK(server.MakeClient().Generate({}, {}, [&](const v1::GenerateResponse& event) {
    text += event.has_finish() ? event.finish().text() : event.token().text();
    return absl::OkStatus();
  }));
  EXPECT_EQ(text, "abc");
}

TEST(ClientTest, ErrorInMidStreamComesAfterTheTokensBeforeIt) {
  FakeInference server;
  server.events = {TokenEvent(0, 5, "a")};
  server.end = grpc::Status(grpc::StatusCode::UNAVAILABLE, "worker w1 (model.layers.4-7) is lost");
  int events = 0;
  EXPECT_THAT(server.MakeClient().Generate({}, {},
                                           [&](const v1::GenerateResponse&) {
                                             ++events;
                                             return absl::OkStatus();
                                           }),
              StatusIs(absl::StatusCode::kUnavailable, "worker w1 (model.layers.4-7) is lost"));
  EXPECT_EQ(events, 1);
}

// Gives one message of four, and then breaks as it is told, in each of its calls.
class Breaking : public FakeInference {
 public:
  explicit Breaking(std::vector<grpc::Status> ends) {
    events = {TokenEvent(0, 5, "a"), TokenEvent(1, 6, "b"), TokenEvent(2, 7, "c"),
              FinishEvent(v1::FINISH_REASON_STOP, "d", 3, 3)};
    generate = [this, ends = std::move(ends)](grpc::ServerContext*,
                                              const v1::GenerateRequest& request,
                                              grpc::ServerWriter<v1::GenerateResponse>* writer) {
      const size_t calls = generate_requests().size();
      if (calls > ends.size()) {
        for (size_t i = request.resume_from(); i < events.size(); ++i) writer->Write(events[i]);
        return grpc::Status::OK;
      }
      if (ends[calls - 1].error_message() != "before") writer->Write(events[request.resume_from()]);
      return ends[calls - 1];
    };
  }
};

TEST(ClientTest, AStreamThatBreaksIsAskedForFromWhereItStopped) {
  const Breaking server({{grpc::StatusCode::UNAVAILABLE, "before"},
                         {grpc::StatusCode::UNAVAILABLE, "within"},
                         {grpc::StatusCode::UNAVAILABLE, "before"},
                         {grpc::StatusCode::UNAVAILABLE, "within"}});
  std::string text;
  std::vector<std::string> breaks;
  v1::GenerateRequest request;
  request.set_prompt("x");
  GANTRY_ASSERT_OK(server.MakeClient().Generate(
      request,
      {.retry_for = absl::Minutes(1),
       .on_break = [&](const absl::Status& why) { breaks.emplace_back(why.message()); }},
      [&](const v1::GenerateResponse& event) {
        text += event.has_finish() ? event.finish().text() : event.token().text();
        return absl::OkStatus();
      }));
  EXPECT_EQ(text, "abcd");
  EXPECT_THAT(breaks, ElementsAre("before", "within", "within"));
  const std::vector<v1::GenerateRequest> asked = server.generate_requests();
  ASSERT_EQ(asked.size(), 5);
  for (size_t i = 0; i < asked.size(); ++i) {
    EXPECT_EQ(asked[i].prompt(), "x");
    EXPECT_EQ(asked[i].request_id(), asked[0].request_id());
    EXPECT_EQ(asked[i].has_resume_from(), i >= 2);
    EXPECT_EQ(asked[i].resume_from(), i / 2);
  }
  EXPECT_EQ(asked[0].request_id().size(), 7 + 32);
}

TEST(ClientTest, OtherErrorsAndThoseOfTheCallbackAreNotRetried) {
  for (const bool callback : {false, true}) {
    const Breaking server({{grpc::StatusCode::ABORTED, "another call"}});
    const absl::Status status = server.MakeClient().Generate(
        {}, {.retry_for = absl::Minutes(1)}, [&](const v1::GenerateResponse&) {
          return callback ? absl::UnavailableError("the disk") : absl::OkStatus();
        });
    EXPECT_EQ(status.code(),
              callback ? absl::StatusCode::kUnavailable : absl::StatusCode::kAborted);
    EXPECT_EQ(server.generate_requests().size(), 1);
  }
}

TEST(ClientTest, WhatHasBegunWaitsForAPlaceInTheQueue) {
  absl::Status busy = absl::ResourceExhaustedError("before");
  SetRetryDelay(absl::Milliseconds(1), &busy);
  const Breaking refusing({ToGrpcStatus(busy)});
  const CallOptions options{.retry_for = absl::Minutes(1)};
  EXPECT_THAT(refusing.MakeClient().Generate({}, options, Ignore),
              StatusIs(absl::StatusCode::kResourceExhausted, _));
  const Breaking server({{grpc::StatusCode::UNAVAILABLE, "within"}, ToGrpcStatus(busy)});
  GANTRY_EXPECT_OK(server.MakeClient().Generate({}, options, Ignore));
}

TEST(ClientTest, WaitingToAskAgainCanBeCancelled) {
  Cancellation cancellation;
  const Breaking server({{grpc::StatusCode::UNAVAILABLE, "within"}});
  EXPECT_THAT(server.MakeClient().Generate(
                  {},
                  {.cancellation = &cancellation,
                   .retry_for = absl::Minutes(1),
                   .on_break = [&](const absl::Status&) { cancellation.Cancel(); }},
                  Ignore),
              StatusIs(absl::StatusCode::kCancelled, _));
}

TEST(ClientTest, StreamWithoutFinishIsAnError) {
  FakeInference server;
  server.events = {TokenEvent(0, 5, "a")};
  EXPECT_THAT(server.MakeClient().Generate({}, {}, Ignore),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("without a finish")));
}

TEST(ClientTest, ErrorOfTheCallbackCancelsTheCall) {
  absl::Notification ended;
  FakeInference server;
  server.generate = [&](grpc::ServerContext* context, const v1::GenerateRequest&,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) {
    WriteUntilCancelled(context, writer);
    ended.Notify();
    return grpc::Status::OK;
  };
  EXPECT_THAT(server.MakeClient().Generate(
                  {}, {}, [](const v1::GenerateResponse&) { return absl::AbortedError("full"); }),
              StatusIs(absl::StatusCode::kAborted, "full"));
  ended.WaitForNotification();
}

TEST(ClientTest, CancelsWhileTheFirstTokenIsAwaited) {
  absl::Notification arrived, cancelled;
  FakeInference server;  // ends its handlers before what they wait for goes
  server.generate = [&](grpc::ServerContext*, const v1::GenerateRequest&,
                        grpc::ServerWriter<v1::GenerateResponse>*) {
    arrived.Notify();
    cancelled.WaitForNotification();
    return grpc::Status::OK;
  };
  Cancellation cancellation;
  absl::Status status;
  std::thread call(
      [&] { status = server.MakeClient().Generate({}, {.cancellation = &cancellation}, Ignore); });
  arrived.WaitForNotification();
  cancellation.Cancel();
  call.join();
  cancelled.Notify();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled, _));
}

TEST(ClientTest, CallAfterCancelEndsAtOnce) {
  const FakeInference server;
  Cancellation cancellation;
  cancellation.Cancel();
  EXPECT_THAT(server.MakeClient().GetStatus({.cancellation = &cancellation}),
              StatusIs(absl::StatusCode::kCancelled, _));
}

TEST(ClientTest, DeadlineEndsTheCall) {
  absl::Notification ended;
  FakeInference server;  // ends its handlers before what they wait for goes
  server.generate = [&](grpc::ServerContext*, const v1::GenerateRequest&,
                        grpc::ServerWriter<v1::GenerateResponse>*) {
    ended.WaitForNotification();
    return grpc::Status::OK;
  };
  EXPECT_THAT(server.MakeClient().Generate({}, {.timeout = absl::Milliseconds(1)}, Ignore),
              StatusIs(absl::StatusCode::kDeadlineExceeded, _));
  ended.Notify();
}

TEST(ClientTest, UnaryCallsCarryTheServersErrors) {
  FakeInference server;
  server.end = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "token id 99 is out of range");
  const Client client = server.MakeClient();
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument, "token id 99 is out of range");
  EXPECT_THAT(client.Score({}), refused);
  EXPECT_THAT(client.Tokenize({}), refused);
  EXPECT_THAT(client.Detokenize({}), refused);
}

TEST(ClientTest, CallsRunAtTheSameTime) {
  FakeInference server;
  constexpr int kCalls = 8;
  absl::Mutex mutex;
  int arrived = 0;
  server.generate = [&](grpc::ServerContext*, const v1::GenerateRequest&,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) {
    mutex.Lock();
    ++arrived;
    mutex.Await(absl::Condition(
        +[](int* count) { return *count == kCalls; }, &arrived));
    mutex.Unlock();
    writer->Write(FinishEvent(v1::FINISH_REASON_STOP, "", 1, 0));
    return grpc::Status::OK;
  };
  const Client client = server.MakeClient();
  std::vector<absl::Status> results(kCalls);
  std::vector<std::thread> threads;
  for (absl::Status& result : results) {
    threads.emplace_back([&] { result = client.Generate({}, {}, Ignore); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) GANTRY_EXPECT_OK(result);
}

}  // namespace
}  // namespace gantry
