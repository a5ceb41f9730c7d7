#include "coordinator/http/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A client's socket.
class Peer {
 public:
  explicit Peer(const std::string& address, int receive_buffer = 0) {
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    if (receive_buffer > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    int port;
    EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.find(':') + 1), &port));
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  }
  ~Peer() { Close(); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server has closed it
      bytes.remove_prefix(sent);
    }
  }
  // What comes until it ends with `end`, or to the end of the connection.
  std::string Read(absl::string_view end = "") {
    std::string text;
    char bytes[4096];
    while (end.empty() || !absl::EndsWith(text, end)) {
      const ssize_t got = recv(fd_, bytes, sizeof(bytes), 0);
      if (got <= 0) break;
      text.append(bytes, got);
    }
    return text;
  }

 private:
  int fd_ = -1;
};

// "/echo" answers with the body, "/hold" leaves the exchange to the test, "/no" is refused at its
// head.
class Handler : public HttpHandler {
 public:
  std::optional<HttpResponse> CheckHead(HttpRequest* request) override {
    if (request->path != "/no") return std::nullopt;
    HttpResponse response;
    response.status = 403;
    response.body = "no";
    return response;
  }
  void Handle(std::shared_ptr<Exchange> exchange) override {
    if (exchange->request().path == "/hold") {
      exchange->OnClosed([this] { closed.Notify(); });
      exchange_ = std::move(exchange);
      held.Notify();
      return;
    }
    HttpResponse response;
    response.content_type = "text/plain";
    response.body = absl::StrCat(exchange->request().method, " ", exchange->request().body, ".");
    exchange->Respond(std::move(response));
  }
  // Runs `call` with the held exchange on the server's thread.
  void With(const std::function<void(Exchange*)>& call) {
    held.WaitForNotification();
    absl::Notification done;
    exchange_->Post([&] {
      call(exchange_.get());
      done.Notify();
    });
    done.WaitForNotification();
  }

  absl::Notification held;
  absl::Notification closed;

 private:
  std::shared_ptr<Exchange> exchange_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void Start() {
    GANTRY_ASSERT_OK_AND_ASSIGN(server_, HttpServer::Start("127.0.0.1:0", limits_, &handler_));
  }
  std::string Ask(absl::string_view bytes) {
    Peer peer(server_->address());
    peer.Send(bytes);
    return peer.Read();
  }
  HttpLimits limits_;
  Handler handler_;
  std::unique_ptr<HttpServer> server_;
};

constexpr char kHead[] = "GET /echo HTTP/1.1\r\nHost: localhost\r\n";

TEST_F(HttpServerTest, AnswersRequestsOneAfterAnotherAlsoWhenTheyComeAtOnce) {
  Start();
  Peer peer(server_->address());
  const std::string post = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n";
  peer.Send(post + "ab" + post + "cd");
  std::string both = peer.Read("POST cd.");
  EXPECT_THAT(both, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"));
  EXPECT_THAT(both, HasSubstr("\r\nContent-Length: 8\r\nConnection: keep-alive\r\n\r\nPOST ab."));
  peer.Send(absl::StrCat(kHead, "Connection: close\r\n\r\n"));
  EXPECT_THAT(peer.Read(), EndsWith("Connection: close\r\n\r\nGET ."));
}

TEST_F(HttpServerTest, EveryAnswerHasTheIdOfItsRequest) {
  Start();
  const std::string close = "Connection: close\r\n";
  for (const char* id : {"a", "client/7:again?%0d"}) {
    EXPECT_THAT(Ask(absl::StrCat(kHead, close, "x-request-ID: ", id, "\r\n\r\n")),
                HasSubstr(absl::StrCat("\r\nX-Request-Id: ", id, "\r\n")));
  }
  // Others are not taken, and cannot end the header.
  for (const std::string& id :
       {std::string(), std::string("two words"), std::string("\xc3\xa9"), std::string(129, 'x')}) {
    EXPECT_THAT(Ask(absl::StrCat(kHead, close, "X-Request-Id: ", id, "\r\n\r\n")),
                ::testing::ContainsRegex("\r\nX-Request-Id: gen-[0-9a-f]+\r\n"));
  }
  EXPECT_THAT(Ask("GET /no HTTP/1.1\r\nHost: x\r\nX-Request-Id: b\r\nConnection: close\r\n\r\n"),
              HasSubstr("\r\nX-Request-Id: b\r\n"));
  EXPECT_THAT(Ask("POST /no HTTP/1.1\r\nHost: x\r\nX-Request-Id: c\r\nContent-Length: 5\r\n\r\n"),
              HasSubstr("\r\nX-Request-Id: c\r\n"));
  Peer peer(server_->address());
  peer.Send("GET /hold HTTP/1.1\r\nHost: x\r\nX-Request-Id: d\r\n\r\n");
  handler_.With([](Exchange* exchange) { exchange->BeginStream({}); });
  EXPECT_THAT(peer.Read("\r\n\r\n"), HasSubstr("\r\nX-Request-Id: d\r\n"));
}

TEST_F(HttpServerTest, HeadHasNoBodyAndOldClientsNoChunks) {
  Start();
  EXPECT_THAT(Ask("HEAD /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              EndsWith("Content-Length: 6\r\nConnection: close\r\n\r\n"));
  Peer old(server_->address());
  old.Send("GET /hold HTTP/1.0\r\n\r\n");
  handler_.With([](Exchange* exchange) {
    exchange->BeginStream({});
    exchange->Write("abc");
    exchange->EndStream();
  });
  EXPECT_THAT(old.Read(), EndsWith("Connection: close\r\n\r\nabc"));
}

TEST_F(HttpServerTest, ReadsBodiesInChunksOfOneByte) {
  Start();
  std::string request =
      "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20'000; ++i) request += "1\r\nx\r\n";
  EXPECT_THAT(Ask(request + "0\r\n\r\n"),
              EndsWith(absl::StrCat("\r\n\r\nPOST ", std::string(20'000, 'x'), ".")));
}

TEST_F(HttpServerTest, AsksForABodyThatIsHeldBack) {
  Start();
  Peer peer(server_->address());
  peer.Send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(peer.Read("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.Send("ab");
  EXPECT_THAT(peer.Read("POST ab."), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, RefusesWhatItCannotRead) {
  limits_.max_body_bytes = 1000;
  limits_.body_timeout = absl::Milliseconds(300);
  limits_.idle_timeout = absl::Milliseconds(300);
  Start();
  const std::string post = "POST /echo HTTP/1.1\r\nHost: x\r\n";
  std::string many = kHead;
  for (int i = 0; i < 101; ++i) absl::StrAppend(&many, "A", i, ": b\r\n");
  for (const auto& [request, status] : std::initializer_list<std::pair<std::string, int>>{
           {"nonsense\r\n\r\n", 400},
           {std::string("GET /\x01 HTTP/1.1\r\n\r\n"), 400},
           {"GET /echo HTTP/3.0\r\nHost: x\r\n\r\n", 400},
           {"GET /echo HTTP/1.1\r\n\r\n", 400},
           {absl::StrCat(kHead, "Host: y\r\n\r\n"), 400},
           {"GET http://x/echo HTTP/1.1\r\nHost: x\r\n\r\n", 400},
           {absl::StrCat(kHead, "Bad Header: y\r\n\r\n"), 400},
           {absl::StrCat(post, "Content-Length: -1\r\n\r\n"), 400},
           {absl::StrCat(post, "Content-Length: 1, 2\r\n\r\n"), 400},
           {absl::StrCat(post, "Content-Length: 99999999999999999999999\r\n\r\n"), 400},
           {absl::StrCat(post, "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400},
           {absl::StrCat(post, "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
           {absl::StrCat(post, "Transfer-Encoding: gzip, chunked\r\n\r\n"), 400},
           {absl::StrCat(post, "Transfer-Encoding: chunked\r\n\r\nZ\r\n"), 400},
           {absl::StrCat(post, "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\n"), 415},
           {absl::StrCat(post, "Expect: a-pony\r\nContent-Length: 1\r\n\r\n"), 417},
           {absl::StrCat(post, "Content-Length: 1001\r\n\r\n"), 413},
           {absl::StrCat(post, "Transfer-Encoding: chunked\r\n\r\n800\r\n",
                         std::string(0x800, 'x')),
            413},
           {absl::StrCat(kHead, "A: ", std::string(17'000, 'x'), "\r\n\r\n"), 431},
           {many + "\r\n", 431},
           {absl::StrCat("GET /", std::string(17'000, 'x')), 431},
           {"POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", 403}}) {
    EXPECT_THAT(Ask(request), StartsWith(absl::StrCat("HTTP/1.1 ", status, " ")))
        << request.substr(0, 100);
  }
  EXPECT_THAT(Ask(absl::StrCat(kHead, "Connection: close\r\n\r\n")), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, SlowRequestsAreTimedOut) {
  limits_.head_timeout = absl::Milliseconds(50);
  limits_.body_timeout = absl::Milliseconds(50);
  limits_.idle_timeout = absl::Milliseconds(50);
  Start();
  EXPECT_EQ(Ask(""), "");
  EXPECT_THAT(Ask("GET /echo HTTP/1.1\r\nHo"), StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na"),
              StartsWith("HTTP/1.1 408"));
  // After an answer the connection may rest for as long, and is then closed without a word.
  EXPECT_THAT(Ask(absl::StrCat(kHead, "\r\n")), EndsWith("GET ."));
}

TEST_F(HttpServerTest, StreamsInChunksAndGoesOnWithTheConnection) {
  Start();
  Peer peer(server_->address());
  peer.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  handler_.With([](Exchange* exchange) {
    exchange->BeginStream({});
    exchange->Write("abc");
  });
  EXPECT_THAT(peer.Read("3\r\nabc\r\n"), HasSubstr("Transfer-Encoding: chunked\r\n"));
  handler_.With([](Exchange* exchange) {
    exchange->EndStream();
    exchange->Write("late");  // does nothing any more
  });
  EXPECT_EQ(peer.Read("\r\n\r\n"), "0\r\n\r\n");
  peer.Send(absl::StrCat(kHead, "\r\n"));
  EXPECT_THAT(peer.Read("GET ."), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, AStreamThatIsCutHasNoEnd) {
  Start();
  Peer peer(server_->address());
  peer.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  handler_.With([](Exchange* exchange) {
    exchange->BeginStream({});
    exchange->Write("abc");
    exchange->Cut();
  });
  EXPECT_THAT(peer.Read(), EndsWith("\r\n\r\n3\r\nabc\r\n"));
}

TEST_F(HttpServerTest, NoticesAClientThatGoes) {
  Start();
  Peer peer(server_->address());
  peer.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  handler_.held.WaitForNotification();
  peer.Close();
  handler_.closed.WaitForNotification();
}

TEST_F(HttpServerTest, CutsOffAClientThatDoesNotRead) {
  limits_.max_unsent_bytes = 100'000;
  Start();
  Peer peer(server_->address(), /*receive_buffer=*/4096);
  peer.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  handler_.With([](Exchange* exchange) { exchange->BeginStream({}); });
  // More than the kernel's buffers hold.
  for (int i = 0; i < 1000 && !handler_.closed.HasBeenNotified(); ++i) {
    handler_.With([](Exchange* exchange) { exchange->Write(std::string(90'000, 'x')); });
  }
  EXPECT_TRUE(handler_.closed.HasBeenNotified());
}

TEST_F(HttpServerTest, CallsWhenNothingWasWrittenForAWhile) {
  Start();
  Peer peer(server_->address());
  peer.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  handler_.With([](Exchange* exchange) {
    exchange->OnQuiet(absl::Milliseconds(1), [exchange] {
      exchange->BeginStream({});
      exchange->EndStream();
    });
  });
  EXPECT_THAT(peer.Read("0\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, TakesNoMoreConnectionsThanItsLimit) {
  limits_.max_connections = 1;
  Start();
  Peer first(server_->address());
  first.Send(absl::StrCat(kHead, "\r\n"));
  EXPECT_THAT(first.Read("GET ."), StartsWith("HTTP/1.1 200"));
  Peer second(server_->address());
  EXPECT_THAT(second.Read(), StartsWith("HTTP/1.1 503"));
  first.Send(absl::StrCat(kHead, "\r\n"));
  EXPECT_THAT(first.Read("GET ."), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, StopsWithConnectionsOpenAndRequestsUnanswered) {
  Start();
  Peer idle(server_->address());
  Peer waiting(server_->address());
  waiting.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  handler_.held.WaitForNotification();
  server_->Stop();
  EXPECT_EQ(idle.Read(), "");
  server_ = nullptr;
  EXPECT_EQ(waiting.Read(), "");
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  Start();
  for (const char* listen : {"", "8000", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", ":80"}) {
    EXPECT_THAT(HttpServer::Start(listen, limits_, &handler_).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--http")))
        << listen;
  }
  EXPECT_THAT(HttpServer::Start(server_->address(), limits_, &handler_).status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("choose another --http")));
}

}  // namespace
}  // namespace gantry
