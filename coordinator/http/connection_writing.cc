// The half of a connection that writes; what reads is in connection.cc.

#include "absl/strings/string_view.h"
#include "base/log.h"
#include "boost/asio/buffer.hpp"
#include "boost/asio/post.hpp"
#include "coordinator/http/answer.h"
#include "coordinator/http/connection.h"

namespace gantry {

void Connection::SendHead(const HttpResponse& response, std::optional<uint64_t> length) {
  Send(
      ResponseHead(response, {length, /*chunked=*/!length.has_value() && !http_1_0_}, keep_alive_));
}

void Connection::SendStreamed(absl::string_view bytes) {
  if (unsent_.size() + bytes.size() > limits_.max_unsent_bytes) {
    LogWarning("closed an HTTP stream whose client does not read it");
    return Close();
  }
  if (head_only_) return;
  if (http_1_0_) return Send(bytes);
  Send(Chunk(bytes));
}

void Connection::Send(absl::string_view bytes) {
  if (phase_ == Phase::kClosed) return;
  unsent_.append(bytes.data(), bytes.size());
  last_send_ = SteadyClock::now();
  if (writing_ || unsent_.empty()) return;
  writing_ = true;
  // What comes up to then goes out at once.
  boost::asio::post(socket_.get_executor(), [self = shared_from_this()] { self->WriteSome(); });
}

void Connection::WriteSome() {
  if (phase_ == Phase::kClosed) return;
  if (sent_ == sending_.size()) {
    sending_.clear();
    sent_ = 0;
    sending_.swap(unsent_);
  }
  if (phase_ == Phase::kAnswering) SetTimer(limits_.write_timeout);
  socket_.async_write_some(boost::asio::buffer(sending_.data() + sent_, sending_.size() - sent_),
                           [self = shared_from_this()](const Error& error, size_t bytes) {
                             self->OnWritten(error, bytes);
                           });
}

void Connection::OnWritten(const Error& error, size_t bytes) {
  if (phase_ == Phase::kClosed) return;
  if (error) return Close();
  sent_ += bytes;
  if (sent_ < sending_.size() || !unsent_.empty()) return WriteSome();
  writing_ = false;
  std::string().swap(sending_);
  sent_ = 0;
  if (phase_ != Phase::kAnswering) return;
  StopTimer();
  if (answer_ == nullptr) OnFlushed();
}

void Connection::EndAnswer(bool whole) {
  if (!whole) keep_alive_ = false;
  quiet_timer_.cancel();
  std::exchange(answer_, nullptr)->Detach(/*gone=*/false);
  if (!writing_) OnFlushed();
}

void Connection::OnFlushed() {
  if (keep_alive_) {
    AwaitRequest();
  } else {
    Linger();
  }
}

// Closing at once, with bytes of the client unread, would take the answer from it (RFC 9112, 9.6).
void Connection::Linger() {
  phase_ = Phase::kLingering;
  SetTimer(limits_.linger_timeout);
  Error error;
  socket_.shutdown(Socket::shutdown_send, error);
  if (error) return Close();
  buffer_.consume(buffer_.size());
  if (!reading_) Read();
}

}  // namespace gantry
