#ifndef GANTRY_COORDINATOR_HTTP_CONNECTION_H_
#define GANTRY_COORDINATOR_HTTP_CONNECTION_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>  // before Boost 1.74, which forgets it

#include "absl/time/time.h"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/beast/core/flat_buffer.hpp"
#include "boost/beast/http/parser.hpp"
#include "boost/beast/http/string_body.hpp"
#include "coordinator/http/exchange.h"
#include "coordinator/http/http_message.h"
#include "coordinator/http/http_options.h"
#include "coordinator/http/response_head.h"

namespace gantry {

class Answer;
class Connection;

// Who keeps the connections.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  // More (or, of a negative number, fewer) bytes of bodies are held by connections that read them.
  // False when that is too many.
  virtual bool AddBodyBytes(int64_t bytes) = 0;
  // It is closed. The last call.
  virtual void Forget(Connection* connection) = 0;
};

// One client's connection: reads a request, waits for its answer, reads the next. Lives on the
// thread of the socket's executor, until it is closed. Few files include this, since Boost takes
// seconds to compile. Methods that write are in connection_writing.cc.
//
//   idle -> head -> body -> answering -> idle, or -> lingering -> closed
//
// While it answers it goes on reading, for that is how a client's going is noticed, until the next
// request comes: its bytes wait for their turn.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  // The pointers outlive the connection.
  Connection(Socket socket, const HttpLimits* limits, HttpHandler* handler, ConnectionOwner* owner);
  ~Connection();
  void Start();
  void Close();
  // Closes it now if nothing is being answered, and otherwise when that is done.
  void CloseWhenIdle();

 private:
  friend class Answer;
  enum class Phase { kIdle, kHead, kBody, kAnswering, kLingering, kClosed };
  using Error = boost::system::error_code;
  using SteadyClock = std::chrono::steady_clock;

  void AwaitRequest();
  void Read();
  void OnRead(const Error& error, size_t bytes);
  void ReadHead();
  void OnHead(const Error& error);
  // The head as a request, or why it is refused.
  std::optional<HttpResponse> TakeHead(HttpRequest* request);
  void ReadBody();
  void OnBody(const Error& error);
  void Dispatch();
  void ReleaseBody();
  // Answers what cannot be read on, and ends the connection.
  void RefuseBroken(const Error& error);
  void Refuse(HttpResponse response);

  void SendHead(const HttpResponse& response, std::optional<uint64_t> length);
  void SendStreamed(absl::string_view bytes);
  void Send(absl::string_view bytes);
  void WriteSome();
  void OnWritten(const Error& error, size_t bytes);
  // The answer has ended; `whole` unless it was cut off.
  void EndAnswer(bool whole);
  void OnFlushed();
  void Linger();

  void SetTimer(absl::Duration time);
  void StopTimer();
  void OnTimeout();
  void AwaitQuiet(absl::Duration interval);

  Socket socket_;
  const HttpLimits& limits_;
  HttpHandler* const handler_;
  ConnectionOwner* const owner_;
  Phase phase_ = Phase::kIdle;

  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  int64_t body_bytes_ = 0;  // that the owner knows of
  bool reading_ = false;
  HttpRequest request_;  // being read
  std::shared_ptr<Answer> answer_;
  bool http_1_0_ = false;
  bool head_only_ = false;   // the answer's body is not wanted
  bool keep_alive_ = false;  // after this answer

  std::string unsent_;
  std::string sending_;
  size_t sent_ = 0;  // of sending_
  bool writing_ = false;
  SteadyClock::time_point last_send_;

  // Of the phase, or of a write that does not get on.
  boost::asio::steady_timer timer_;
  uint64_t timer_serial_ = 0;
  boost::asio::steady_timer quiet_timer_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_CONNECTION_H_
