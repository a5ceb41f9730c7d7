// The programs as a shell sees them: output, exit codes, signals.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "base/exit_code.h"
#include "base/json.h"
#include "tests/client/fake_inference.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

// A program under test with its stdout and stderr in pipes.
class Program {
 public:
  Program(const char* path, std::vector<std::string> args) {
    args.insert(args.begin(), path);
    std::vector<char*> argv;
    for (std::string& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    int out[2], err[2];
    EXPECT_EQ(pipe(out), 0);
    EXPECT_EQ(pipe(err), 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      dup2(err[1], STDERR_FILENO);
      for (int fd : {out[0], out[1], err[0], err[1]}) close(fd);
      execv(path, argv.data());
      _exit(127);
    }
    close(out[1]);
    close(err[1]);
    out_ = out[0];
    err_ = err[0];
  }

  void Signal(int number) { kill(pid_, number); }
  void CloseStdout() { close(std::exchange(out_, -1)); }
  // Reads what it wrote and waits for its end. Either pipe holds what these programs write.
  int Wait() {
    if (out_ >= 0) stdout_ = ReadAll(out_);
    stderr_ = ReadAll(err_);
    int status = 0;
    waitpid(pid_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  const std::string& out() const { return stdout_; }
  const std::string& err() const { return stderr_; }

 private:
  static std::string ReadAll(int fd) {
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) text.append(buffer, n);
    close(fd);
    return text;
  }

  pid_t pid_;
  int out_;
  int err_;
  std::string stdout_;
  std::string stderr_;
};

class ProgramsTest : public ::testing::Test {
 protected:
  ProgramsTest() {
    server_.status.set_ready(true);
    server_.status.set_vocab_size(100);
    server_.events = {TokenEvent(0, 5, "Hello"), FinishEvent(v1::FINISH_REASON_STOP, "!", 3, 1)};
  }
  Program Generate(std::vector<std::string> args) {
    args.insert(args.end(), {"--server", server_.target()});
    return Program(GANTRY_GENERATE, std::move(args));
  }
  Program Bench(std::vector<std::string> args) {
    args.insert(args.end(), {"--server", server_.target()});
    return Program(GANTRY_BENCH, std::move(args));
  }

  FakeInference server_;
};

TEST_F(ProgramsTest, GenerateWritesTextToStdout) {
  Program generate = Generate({"--chat", "hi", "--seed", "3"});
  EXPECT_EQ(generate.Wait(), kExitDone);
  EXPECT_EQ(generate.out(), "Hello!");
  EXPECT_EQ(generate.err(), "");
  ASSERT_EQ(server_.generate_requests().size(), 1);
  EXPECT_EQ(server_.generate_requests()[0].sampling().seed(), 3);
}

TEST_F(ProgramsTest, GenerateFailsWithTheServersWords) {
  server_.end = grpc::Status(grpc::StatusCode::UNAVAILABLE, "worker w1 (model.layers.4) is lost");
  Program generate = Generate({"--chat", "hi", "--retry_for", "0s"});
  EXPECT_EQ(generate.Wait(), kExitFailed);
  EXPECT_EQ(generate.err(), "generate: UNAVAILABLE: worker w1 (model.layers.4) is lost\n");
}

TEST_F(ProgramsTest, WrongUsage) {
  for (const std::vector<std::string>& args : {std::vector<std::string>{},
                                               {"--chat", "a", "--prompt", "b"},
                                               {"--chta", "a"},
                                               {"--chat", "a", "--top_k", "x"},
                                               {"loose"},
                                               {"--chat", "a", "--tls_cert", "c.pem"},
                                               {"--chat", "a", "--server", "nowhere"},
                                               {"--chat", "a", "--server", "192.0.2.1:7070"}}) {
    Program generate(GANTRY_GENERATE, args);
    EXPECT_EQ(generate.Wait(), kExitUsage) << generate.err();
    EXPECT_THAT(generate.err(), HasSubstr("Try 'generate --help'"));
  }
  Program bench(GANTRY_BENCH, {"--concurrency", "0"});
  EXPECT_EQ(bench.Wait(), kExitUsage);
}

TEST_F(ProgramsTest, Unreachable) {
  Program generate(GANTRY_GENERATE, {"--status", "--server", "127.0.0.1:9"});
  EXPECT_EQ(generate.Wait(), kExitUnreachable);
  EXPECT_THAT(generate.err(), HasSubstr("127.0.0.1:9"));
  Program bench(GANTRY_BENCH, {"--server", "127.0.0.1:9"});
  EXPECT_EQ(bench.Wait(), kExitUnreachable);
}

TEST_F(ProgramsTest, StatusOfAServerThatIsNotReadyIsNoFailure) {
  server_.status.set_ready(false);
  server_.status.set_reason("no workers");
  Program generate = Generate({"--status", "--json"});
  EXPECT_EQ(generate.Wait(), kExitDone);
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(generate.out(), "stdout"));
  EXPECT_EQ(json["ready"], false);
  EXPECT_EQ(json["reason"], "no workers");
}

TEST_F(ProgramsTest, InterruptCancelsTheCall) {
  for (int number : {SIGINT, SIGTERM}) {
    absl::Notification arrived, gone;
    server_.generate = [&](grpc::ServerContext* context, const v1::GenerateRequest&,
                           grpc::ServerWriter<v1::GenerateResponse>* writer) {
      arrived.Notify();
      WriteUntilCancelled(context, writer);
      gone.Notify();
      return grpc::Status::OK;
    };
    Program generate = Generate({"--chat", "hi"});
    arrived.WaitForNotification();
    generate.Signal(number);
    gone.WaitForNotification();
    EXPECT_EQ(generate.Wait(), 128 + number);
    EXPECT_EQ(generate.err(), "");
  }
}

TEST_F(ProgramsTest, ClosedStdoutEndsQuietlyAndCancelsTheCall) {
  absl::Notification arrived, closed, gone;
  server_.generate = [&](grpc::ServerContext* context, const v1::GenerateRequest&,
                         grpc::ServerWriter<v1::GenerateResponse>* writer) {
    arrived.Notify();
    closed.WaitForNotification();
    while (!context->IsCancelled() && writer->Write(TokenEvent(0, 5, "x"))) {
    }
    gone.Notify();
    return grpc::Status::OK;
  };
  Program generate = Generate({"--chat", "hi"});
  arrived.WaitForNotification();
  generate.CloseStdout();
  closed.Notify();
  gone.WaitForNotification();
  EXPECT_EQ(generate.Wait(), kExitDone);
  EXPECT_EQ(generate.err(), "");
}

TEST_F(ProgramsTest, BenchPrintsJsonForEachLevel) {
  server_.generate = [](grpc::ServerContext*, const v1::GenerateRequest& request,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) {
    for (int i = 0; i < request.max_new_tokens(); ++i) writer->Write(TokenEvent(i, 1, "x"));
    writer->Write(FinishEvent(v1::FINISH_REASON_LENGTH, "", request.token_ids().ids_size(),
                              request.max_new_tokens()));
    return grpc::Status::OK;
  };
  Program bench = Bench({"--concurrency", "1,3", "--requests", "4", "--prompt_tokens", "6",
                         "--max_new_tokens", "2", "--json"});
  EXPECT_EQ(bench.Wait(), kExitDone) << bench.err();
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(bench.out(), "stdout"));
  ASSERT_EQ(json["levels"].size(), 2);
  EXPECT_EQ(json["levels"][1]["concurrency"], 3);
  EXPECT_EQ(json["levels"][1]["completed"], 4);
  EXPECT_EQ(json["levels"][1]["prompt_tokens"], 24);
  EXPECT_EQ(json["levels"][1]["output_tokens"], 8);
  EXPECT_EQ(server_.generate_requests().size(), 10);  // with one to warm up each level
}

TEST_F(ProgramsTest, BenchFailsWithTheFirstError) {
  server_.end = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full");
  Program bench = Bench({"--concurrency", "1", "--requests", "2"});
  EXPECT_EQ(bench.Wait(), kExitFailed);
  EXPECT_THAT(bench.err(), HasSubstr("bench: RESOURCE_EXHAUSTED: the queue is full"));
}

}  // namespace
}  // namespace gantry
