#ifndef GANTRY_COORDINATOR_HTTP_EXCHANGE_H_
#define GANTRY_COORDINATOR_HTTP_EXCHANGE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "coordinator/http/http_message.h"

namespace gantry {

// A request and its answer: Respond, or BeginStream, any number of Write, and EndStream or Cut.
// All of it on the server's thread, apart from Post. Once the answer has ended or the client is
// gone, nothing here does anything.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const HttpRequest& request() const = 0;
  // Runs `call` on the server's thread, in the order of the calls. From any thread.
  virtual void Post(std::function<void()> call) = 0;

  virtual void Respond(HttpResponse response) = 0;

  // The head of an answer whose length is not known; its body is left out.
  virtual void BeginStream(HttpResponse head) = 0;
  virtual void Write(std::string bytes) = 0;
  virtual void EndStream() = 0;
  // Sends what was written and then closes the connection without the stream's end, so that no
  // client takes the part that it has for the whole.
  virtual void Cut() = 0;

  // `closed` is called if the client goes before the answer has ended.
  virtual void OnClosed(std::function<void()> closed) = 0;
  // `quiet` is called whenever nothing was written for so long.
  virtual void OnQuiet(absl::Duration interval, std::function<void()> quiet) = 0;
};

// What a server does with requests. On the server's thread, and so never for long.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // The head has come. A response refuses the request before its body is read.
  virtual std::optional<HttpResponse> CheckHead(HttpRequest* request) = 0;
  // The whole request has come.
  virtual void Handle(std::shared_ptr<Exchange> exchange) = 0;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_EXCHANGE_H_
