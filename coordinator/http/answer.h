#ifndef GANTRY_COORDINATOR_HTTP_ANSWER_H_
#define GANTRY_COORDINATOR_HTTP_ANSWER_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "coordinator/http/connection.h"
#include "coordinator/http/exchange.h"

namespace gantry {

// A connection's current request as its handler sees it. Outlives the connection where the handler
// keeps it, and then does nothing.
class Answer final : public Exchange {
 public:
  Answer(Connection* connection, HttpRequest request);

  const HttpRequest& request() const override { return request_; }
  void Post(std::function<void()> call) override;
  void Respond(HttpResponse response) override;
  void BeginStream(HttpResponse head) override;
  void Write(std::string bytes) override;
  void EndStream() override;
  void Cut() override;
  void OnClosed(std::function<void()> closed) override;
  void OnQuiet(absl::Duration interval, std::function<void()> quiet) override;

  // The connection has no more to do with it. `gone`: the client left before it had ended.
  void Detach(bool gone);
  void CallQuiet();

 private:
  Connection* connection_;  // null: detached
  const boost::asio::any_io_executor executor_;
  HttpRequest request_;
  std::function<void()> closed_;
  std::function<void()> quiet_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_ANSWER_H_
