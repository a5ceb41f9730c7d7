#include "client/chat_loop.h"

#include <signal.h>
#include <unistd.h>

#include <sstream>

#include "tests/client/captured_output.h"
#include "tests/client/fake_inference.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::_;
using ::testing::HasSubstr;

class ChatLoopTest : public ::testing::Test {
 protected:
  ChatLoopTest() : interrupts_([](int) {}) {
    server_.events = {TokenEvent(0, 5, "Yes"), FinishEvent(v1::FINISH_REASON_STOP, ".", 3, 1)};
  }
  absl::Status Run(const std::string& typed, GenerateOptions options = {}) {
    options.action = GenerateOptions::Action::kInteractive;
    std::istringstream input(typed);
    return RunChatLoop(options, server_.MakeClient(), &interrupts_, input, output_.output(),
                       errors_.output());
  }
  // "role: content|..." of the request.
  std::string Chat(int index) const {
    const v1::GenerateRequest request = server_.generate_requests()[index];
    std::string text;
    for (const v1::ChatMessage& message : request.chat().messages()) {
      text += message.role() + ": " + message.content() + "|";
    }
    return text;
  }

  FakeInference server_;
  Interrupts interrupts_;
  CapturedOutput output_;
  CapturedOutput errors_;
};

TEST_F(ChatLoopTest, EachRequestCarriesTheHistory) {
  GANTRY_ASSERT_OK(Run("one\n\n  two \n", {.system = "Be brief."}));
  ASSERT_EQ(server_.generate_requests().size(), 2);
  EXPECT_EQ(Chat(0), "system: Be brief.|user: one|");
  EXPECT_EQ(Chat(1), "system: Be brief.|user: one|assistant: Yes.|user: two|");
  EXPECT_EQ(output_.text(), "Yes.\nYes.\n");
}

TEST_F(ChatLoopTest, SamplingIsSentWithEachMessage) {
  GenerateOptions options;
  options.sampling.set_seed(7);
  options.max_new_tokens = 9;
  GANTRY_ASSERT_OK(Run("one\n", options));
  EXPECT_EQ(server_.generate_requests()[0].sampling().seed(), 7);
  EXPECT_EQ(server_.generate_requests()[0].max_new_tokens(), 9);
  EXPECT_FALSE(server_.generate_requests()[0].sampling().has_temperature());
}

TEST_F(ChatLoopTest, ChatFlagIsTheFirstMessage) {
  GANTRY_ASSERT_OK(Run("two\n", {.chat = "one"}));
  EXPECT_EQ(Chat(0), "user: one|");
  EXPECT_EQ(Chat(1), "user: one|assistant: Yes.|user: two|");
}

TEST_F(ChatLoopTest, ResetForgetsAllButTheSystemMessage) {
  GANTRY_ASSERT_OK(Run("one\n/reset\ntwo\n", {.system = "S"}));
  EXPECT_EQ(Chat(1), "system: S|user: two|");
  EXPECT_EQ(errors_.text(), "(forgotten)\n");
}

TEST_F(ChatLoopTest, FailedMessageIsDroppedAndTheChatGoesOn) {
  server_.generate = [this](grpc::ServerContext*, const v1::GenerateRequest& request,
                            grpc::ServerWriter<v1::GenerateResponse>* writer) {
    if (request.chat().messages(0).content() == "one") {
      return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full");
    }
    writer->Write(server_.events[1]);
    return grpc::Status::OK;
  };
  GANTRY_ASSERT_OK(Run("one\ntwo\n"));
  EXPECT_EQ(Chat(1), "user: two|");
  EXPECT_THAT(errors_.text(), HasSubstr("RESOURCE_EXHAUSTED: the queue is full"));
}

TEST_F(ChatLoopTest, InterruptedAnswerStaysInTheHistoryAsFarAsItCame) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Output output(ends[1]);
  server_.generate = [&](grpc::ServerContext* context, const v1::GenerateRequest& request,
                         grpc::ServerWriter<v1::GenerateResponse>* writer) {
    if (request.chat().messages_size() > 1) {
      writer->Write(server_.events[1]);
      return grpc::Status::OK;
    }
    writer->Write(TokenEvent(0, 5, "A long"));
    char shown[6];
    EXPECT_EQ(read(ends[0], shown, sizeof(shown)), sizeof(shown));
    interrupts_.Deliver(SIGINT);
    WriteUntilCancelled(context, writer);
    return grpc::Status::OK;
  };
  std::istringstream input("one\ntwo\n");
  GANTRY_ASSERT_OK(
      RunChatLoop({}, server_.MakeClient(), &interrupts_, input, &output, errors_.output()));
  close(ends[0]);
  close(ends[1]);
  ASSERT_EQ(server_.generate_requests().size(), 2);
  EXPECT_EQ(Chat(1), "user: one|assistant: A long|user: two|");
  EXPECT_EQ(errors_.text(), "");
}

TEST_F(ChatLoopTest, TerminationEndsTheChat) {
  server_.generate = [this](grpc::ServerContext* context, const v1::GenerateRequest&,
                            grpc::ServerWriter<v1::GenerateResponse>* writer) {
    interrupts_.Deliver(SIGTERM);
    WriteUntilCancelled(context, writer);
    return grpc::Status::OK;
  };
  EXPECT_THAT(Run("one\ntwo\n"), StatusIs(absl::StatusCode::kCancelled, _));
  EXPECT_EQ(server_.generate_requests().size(), 1);
}

}  // namespace
}  // namespace gantry
