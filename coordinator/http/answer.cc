#include "coordinator/http/answer.h"

#include "boost/asio/post.hpp"

namespace gantry {

Answer::Answer(Connection* connection, HttpRequest request)
    : connection_(connection),
      executor_(connection->socket_.get_executor()),
      request_(std::move(request)) {}

void Answer::Post(std::function<void()> call) { boost::asio::post(executor_, std::move(call)); }

void Answer::Respond(HttpResponse response) {
  if (connection_ == nullptr) return;
  response.headers.emplace_back(kRequestIdHeader, request_.id);
  connection_->SendHead(response, response.body.size());
  if (!connection_->head_only_) connection_->Send(response.body);
  connection_->EndAnswer(/*whole=*/true);
}

void Answer::BeginStream(HttpResponse head) {
  if (connection_ == nullptr) return;
  // Without chunks the end of the connection is that of the body.
  if (connection_->http_1_0_) connection_->keep_alive_ = false;
  head.headers.emplace_back(kRequestIdHeader, request_.id);
  connection_->SendHead(head, std::nullopt);
}

void Answer::Write(std::string bytes) {
  if (connection_ == nullptr || bytes.empty()) return;
  connection_->SendStreamed(bytes);
}

void Answer::EndStream() {
  if (connection_ == nullptr) return;
  if (!connection_->http_1_0_) connection_->Send(kLastChunk);
  connection_->EndAnswer(/*whole=*/true);
}

void Answer::Cut() {
  if (connection_ == nullptr) return;
  connection_->EndAnswer(/*whole=*/false);
}

void Answer::OnClosed(std::function<void()> closed) {
  if (connection_ != nullptr) closed_ = std::move(closed);
}

void Answer::OnQuiet(absl::Duration interval, std::function<void()> quiet) {
  if (connection_ == nullptr) return;
  quiet_ = std::move(quiet);
  connection_->AwaitQuiet(interval);
}

void Answer::Detach(bool gone) {
  connection_ = nullptr;
  request_.key = nullptr;
  quiet_ = nullptr;
  const std::function<void()> closed = std::move(closed_);
  closed_ = nullptr;
  if (gone && closed != nullptr) closed();
}

void Answer::CallQuiet() {
  // It may end the answer, and with it itself.
  const std::function<void()> quiet = quiet_;
  if (quiet != nullptr) quiet();
}

}  // namespace gantry
