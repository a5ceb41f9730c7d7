#include "coordinator/http/connection.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "boost/beast/http/error.hpp"
#include "boost/beast/http/read.hpp"
#include "coordinator/http/answer.h"
#include "coordinator/http/http_error.h"
#include "coordinator/request_id.h"

namespace gantry {
namespace {

namespace http = boost::beast::http;

constexpr size_t kReadBytes = 4 << 10;
constexpr size_t kMaxBufferBytes = 64 << 10;
constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";

HttpResponse Refusal(int status, absl::string_view message) {
  return ErrorResponse(MakeHttpError(status, message));
}

std::string Text(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

Connection::Connection(Socket socket, const HttpLimits* limits, HttpHandler* handler,
                       ConnectionOwner* owner)
    : socket_(std::move(socket)),
      limits_(*limits),
      handler_(handler),
      owner_(owner),
      buffer_(std::max<size_t>(kMaxBufferBytes, limits->max_head_bytes)),
      timer_(socket_.get_executor()),
      quiet_timer_(socket_.get_executor()) {}

Connection::~Connection() {
  if (answer_ != nullptr) answer_->Detach(/*gone=*/false);
}

void Connection::Start() {
  AwaitRequest();
  SetTimer(limits_.head_timeout);  // a client that has just come has something to say
}

void Connection::Close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  const std::shared_ptr<Connection> self = shared_from_this();
  Error ignored;
  socket_.close(ignored);
  timer_.cancel();
  quiet_timer_.cancel();
  ReleaseBody();
  if (answer_ != nullptr) std::exchange(answer_, nullptr)->Detach(/*gone=*/true);
  owner_->Forget(this);
}

void Connection::CloseWhenIdle() {
  keep_alive_ = false;
  if (phase_ != Phase::kAnswering && phase_ != Phase::kLingering) Close();
}

void Connection::AwaitRequest() {
  phase_ = Phase::kIdle;
  SetTimer(limits_.idle_timeout);
  if (buffer_.size() > 0) {
    ReadHead();
  } else if (!reading_) {
    Read();
  }
}

void Connection::Read() {
  reading_ = true;
  socket_.async_read_some(buffer_.prepare(kReadBytes),
                          [self = shared_from_this()](const Error& error, size_t bytes) {
                            self->OnRead(error, bytes);
                          });
}

void Connection::OnRead(const Error& error, size_t bytes) {
  reading_ = false;
  if (phase_ == Phase::kClosed) return;
  if (error) return Close();
  buffer_.commit(bytes);
  if (phase_ == Phase::kLingering) {
    buffer_.consume(buffer_.size());
    Read();
  } else if (phase_ == Phase::kIdle) {
    ReadHead();
  }
  // Otherwise the next request is here before the answer to this one. There it stays.
}

void Connection::ReadHead() {
  phase_ = Phase::kHead;
  SetTimer(limits_.head_timeout);
  parser_.emplace();
  parser_->header_limit(limits_.max_head_bytes);
  parser_->body_limit(limits_.max_body_bytes);
  reading_ = true;
  http::async_read_header(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](const Error& error, size_t) { self->OnHead(error); });
}

void Connection::OnHead(const Error& error) {
  reading_ = false;
  if (phase_ != Phase::kHead) return;
  if (error) return RefuseBroken(error);
  request_ = HttpRequest();
  std::optional<HttpResponse> refusal = TakeHead(&request_);
  if (!refusal.has_value()) refusal = handler_->CheckHead(&request_);
  if (refusal.has_value()) {
    // A body that is not read stands between this request and the next.
    if (!parser_->is_done()) return Refuse(*std::move(refusal));
    Dispatch();
    return answer_->Respond(*std::move(refusal));
  }
  if (parser_->is_done()) {
    Dispatch();
    handler_->Handle(answer_);
    return;
  }
  phase_ = Phase::kBody;
  parser_->eager(true);  // many small chunks at once
  SetTimer(limits_.body_timeout);
  if (absl::EqualsIgnoreCase(Text(parser_->get()[http::field::expect]), "100-continue")) {
    Send(kContinue);
  }
  ReadBody();
}

std::optional<HttpResponse> Connection::TakeHead(HttpRequest* request) {
  const auto& head = parser_->get();
  const auto field = [&head](http::field name) { return Text(head[name]); };
  request->method = Text(head.method_string());
  request->path = Text(head.target());
  request->path = request->path.substr(0, request->path.find('?'));
  request->host = field(http::field::host);
  request->origin = field(http::field::origin);
  request->authorization = field(http::field::authorization);
  request->if_none_match = field(http::field::if_none_match);
  request->id = Text(head[kRequestIdHeader]);
  if (!IsRequestId(request->id)) request->id = RandomRequestId();
  head_only_ = request->method == "HEAD";
  http_1_0_ = head.version() < 11;
  keep_alive_ = parser_->keep_alive();
  if (std::distance(head.begin(), head.end()) > limits_.max_headers) {
    return Refusal(431, absl::StrCat("at most ", limits_.max_headers, " header fields are taken"));
  }
  if (request->path.empty() || request->path[0] != '/') {
    return Refusal(400, "expected a path that begins with / after the method");
  }
  if (head.count(http::field::host) > 1 || (head.count(http::field::host) == 0 && !http_1_0_)) {
    return Refusal(400, "expected one Host header field");
  }
  if (head.count(http::field::transfer_encoding) > 0 &&
      !absl::EqualsIgnoreCase(field(http::field::transfer_encoding), "chunked")) {
    return Refusal(400, "Transfer-Encoding: expected chunked");
  }
  const std::string coding = field(http::field::content_encoding);
  if (!coding.empty() && !absl::EqualsIgnoreCase(coding, "identity")) {
    return Refusal(415, "Content-Encoding: expected none; compressed bodies are not taken");
  }
  const std::string expect = field(http::field::expect);
  if (!expect.empty() && !absl::EqualsIgnoreCase(expect, "100-continue")) {
    return Refusal(417, "Expect: only 100-continue is known");
  }
  return std::nullopt;
}

void Connection::ReadBody() {
  reading_ = true;
  http::async_read_some(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](const Error& error, size_t) { self->OnBody(error); });
}

void Connection::OnBody(const Error& error) {
  reading_ = false;
  if (phase_ != Phase::kBody) return;
  if (error) return RefuseBroken(error);
  const int64_t held = parser_->get().body().size();
  const int64_t more = held - body_bytes_;
  body_bytes_ = held;
  if (!owner_->AddBodyBytes(more)) {
    return Refuse(ErrorResponse(absl::UnavailableError("too many requests are being read")));
  }
  if (!parser_->is_done()) return ReadBody();
  request_.body = std::move(parser_->get().body());
  Dispatch();
  handler_->Handle(answer_);
}

void Connection::Dispatch() {
  ReleaseBody();
  parser_.reset();
  buffer_.shrink_to_fit();
  StopTimer();
  phase_ = Phase::kAnswering;
  last_send_ = SteadyClock::now();
  answer_ = std::make_shared<Answer>(this, std::move(request_));
  if (buffer_.size() == 0) Read();
}

void Connection::ReleaseBody() { owner_->AddBodyBytes(-std::exchange(body_bytes_, 0)); }

void Connection::RefuseBroken(const Error& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Refuse(
        Refusal(431, absl::StrCat("the header has more than ", limits_.max_head_bytes, " bytes")));
  }
  if (error == http::error::body_limit) {
    return Refuse(
        Refusal(413, absl::StrCat("the body has more than ", limits_.max_body_bytes, " bytes")));
  }
  const bool ended = error == http::error::end_of_stream || error == http::error::partial_message;
  if (ended || error.category() != make_error_code(http::error::bad_method).category()) {
    return Close();
  }
  Refuse(Refusal(400, absl::StrCat("this is no HTTP/1.1 request: ", error.message())));
}

void Connection::Refuse(HttpResponse response) {
  ReleaseBody();
  if (!request_.id.empty()) response.headers.emplace_back(kRequestIdHeader, request_.id);
  request_ = HttpRequest();  // its key is free for another
  phase_ = Phase::kAnswering;
  keep_alive_ = false;
  SendHead(response, response.body.size());
  if (!head_only_) Send(response.body);
}

void Connection::SetTimer(absl::Duration time) {
  timer_.expires_after(absl::ToChronoMilliseconds(time));
  timer_.async_wait([weak = weak_from_this(), serial = ++timer_serial_](const Error& error) {
    const std::shared_ptr<Connection> self = weak.lock();
    if (!error && self != nullptr && self->timer_serial_ == serial) self->OnTimeout();
  });
}

void Connection::StopTimer() {
  ++timer_serial_;  // it may be due already
  timer_.cancel();
}

void Connection::OnTimeout() {
  if (phase_ == Phase::kHead || phase_ == Phase::kBody) {
    // The read under way is of no use any more.
    Error ignored;
    socket_.cancel(ignored);
    return Refuse(Refusal(408, "the request did not come in time"));
  }
  Close();
}

void Connection::AwaitQuiet(absl::Duration interval) {
  const SteadyClock::duration quiet = absl::ToChronoMilliseconds(interval);
  const SteadyClock::time_point due = last_send_ + quiet;
  const SteadyClock::time_point now = SteadyClock::now();
  quiet_timer_.expires_at(due > now ? due : now + quiet);
  quiet_timer_.async_wait([weak = weak_from_this(), interval, quiet](const Error& error) {
    const std::shared_ptr<Connection> self = weak.lock();
    if (error || self == nullptr || self->answer_ == nullptr) return;
    if (SteadyClock::now() - self->last_send_ >= quiet) self->answer_->CallQuiet();
    if (self->answer_ != nullptr) self->AwaitQuiet(interval);
  });
}

}  // namespace gantry
