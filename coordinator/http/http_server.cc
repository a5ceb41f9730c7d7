#include "coordinator/http/http_server.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

#include <memory>
#include <thread>
#include <utility>  // before Boost 1.74, which forgets it
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/signal_set.hpp"
#include "coordinator/http/connection.h"
#include "coordinator/http/http_error.h"
#include "coordinator/listen_address.h"

namespace gantry {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Error = boost::system::error_code;

constexpr std::chrono::milliseconds kAcceptRetry(100);
constexpr std::chrono::milliseconds kStopTime(1000);
// Before a client whose machine or network is gone without a word counts as gone.
constexpr int kSilenceS = 30;
constexpr int kProbeEveryS = 10;
constexpr rlim_t kOtherDescriptors = 1024;  // of gRPC, files and the like

// Systems give a process 1,024 descriptors unless it asks for more.
void AllowDescriptors(int connections) {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, connections + kOtherDescriptors);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void SetSocketOptions(tcp::socket* socket) {
  Error ignored;  // none of them is needed to serve
  socket->set_option(tcp::no_delay(true), ignored);
  socket->set_option(asio::socket_base::keep_alive(true), ignored);
  const auto set = [socket](int option, int value) {
    setsockopt(socket->native_handle(), IPPROTO_TCP, option, &value, sizeof(value));
  };
  set(TCP_KEEPIDLE, kProbeEveryS);
  set(TCP_KEEPINTVL, kProbeEveryS);
  set(TCP_USER_TIMEOUT, kSilenceS * 1000);
}

}  // namespace

class HttpServer::Impl : public ConnectionOwner {
 public:
  Impl(const HttpLimits& limits, HttpHandler* handler) : limits_(limits), handler_(handler) {}

  absl::Status Listen(absl::string_view listen);
  void Run() {
    Accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  void OnHangup(std::function<void()> call);
  void Stop();
  const std::string& address() const { return address_; }

  bool AddBodyBytes(int64_t bytes) override {
    body_bytes_ += bytes;
    return body_bytes_ <= static_cast<int64_t>(limits_.max_bodies_bytes);
  }
  void Forget(Connection* connection) override {
    connections_.erase(connection);
    if (stopping_ && connections_.empty()) io_.stop();
  }

 private:
  void Accept();
  void OnAccept(const Error& error, tcp::socket socket);
  void RefuseConnection(tcp::socket socket);
  void AwaitHangup();

  const HttpLimits limits_;
  HttpHandler* const handler_;
  std::string address_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  tcp::acceptor acceptor_{io_};
  asio::steady_timer timer_{io_};
  asio::signal_set hangups_{io_};
  std::function<void()> on_hangup_;
  // Kept alive by what they wait for.
  absl::flat_hash_set<Connection*> connections_;
  int64_t body_bytes_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

absl::Status HttpServer::Impl::Listen(absl::string_view listen) {
  std::string host = HostOfAddress(listen);
  const size_t colon = listen.rfind(':');
  int port;
  if (host.empty() || colon == absl::string_view::npos ||
      !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port < 0 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("--http: expected HOST:PORT, found \"", listen, "\""));
  }
  const auto failed = [listen](const Error& error) {
    const absl::string_view hint = error == asio::error::address_in_use
                                       ? "; stop what uses the port or choose another --http"
                                       : "";
    return absl::UnavailableError(
        absl::StrCat("cannot serve HTTP on ", listen, ": ", error.message(), hint));
  };
  absl::string_view name = host;
  if (name.size() > 2 && name.front() == '[') name = name.substr(1, name.size() - 2);
  Error error;
  tcp::resolver resolver(io_);
  const auto found =
      resolver.resolve(std::string(name), absl::StrCat(port),
                       tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) return failed(error);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
  if (error) return failed(error);
  address_ = absl::StrCat(host, ":", acceptor_.local_endpoint().port());
  AllowDescriptors(limits_.max_connections);
  return absl::OkStatus();
}

void HttpServer::Impl::Accept() {
  acceptor_.async_accept(
      [this](const Error& error, tcp::socket socket) { OnAccept(error, std::move(socket)); });
}

void HttpServer::Impl::OnAccept(const Error& error, tcp::socket socket) {
  if (stopping_) return;
  if (error) {
    // Too many open files, most likely: some may be closed soon.
    timer_.expires_after(kAcceptRetry);
    timer_.async_wait([this](const Error& cancelled) {
      if (!cancelled && !stopping_) Accept();
    });
    return;
  }
  if (connections_.size() >= static_cast<size_t>(limits_.max_connections)) {
    RefuseConnection(std::move(socket));
  } else {
    SetSocketOptions(&socket);
    const auto connection =
        std::make_shared<Connection>(std::move(socket), &limits_, handler_, this);
    connections_.insert(connection.get());
    connection->Start();
  }
  Accept();
}

// With what fits into the socket's buffer, for nothing here may wait.
void HttpServer::Impl::RefuseConnection(tcp::socket socket) {
  const HttpResponse response = ErrorResponse(absl::UnavailableError(
      absl::StrCat("there are ", limits_.max_connections, " connections, and no more are taken")));
  const std::string text =
      ResponseHead(response, {response.body.size(), false}, /*keep_alive=*/false) + response.body;
  Error ignored;
  socket.non_blocking(true, ignored);
  socket.send(asio::buffer(text), 0, ignored);
}

void HttpServer::Impl::OnHangup(std::function<void()> call) {
  on_hangup_ = std::move(call);
  Error error;
  hangups_.add(SIGHUP, error);
  if (error) LogWarning(absl::StrCat("SIGHUP is not watched: ", error.message()));
  AwaitHangup();
}

void HttpServer::Impl::AwaitHangup() {
  hangups_.async_wait([this](const Error& error, int) {
    if (error) return;
    on_hangup_();
    AwaitHangup();
  });
}

void HttpServer::Impl::Stop() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] {
    stopping_ = true;
    Error ignored;
    acceptor_.close(ignored);
    // Closing one takes it from the set.
    const std::vector<Connection*> open(connections_.begin(), connections_.end());
    for (Connection* connection : open) connection->CloseWhenIdle();
    if (connections_.empty()) return io_.stop();
    timer_.expires_after(kStopTime);
    timer_.async_wait([this](const Error& error) {
      if (!error) io_.stop();
    });
  });
  thread_.join();
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(absl::string_view listen,
                                                              const HttpLimits& limits,
                                                              HttpHandler* handler) {
  auto impl = std::make_unique<Impl>(limits, handler);
  const absl::Status status = impl->Listen(listen);
  if (!status.ok()) return status;
  impl->Run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { Stop(); }
const std::string& HttpServer::address() const { return impl_->address(); }
void HttpServer::OnHangup(std::function<void()> call) { impl_->OnHangup(std::move(call)); }
void HttpServer::Stop() { impl_->Stop(); }

}  // namespace gantry
