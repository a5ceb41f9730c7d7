#include "coordinator/http/router.h"

#include "gmock/gmock.h"
#include "tests/coordinator/http/fake_exchange.h"

namespace gantry {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

HttpRequest Get(std::string path, std::string method = "GET") {
  HttpRequest request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.host = "localhost";
  return request;
}

class RouterTest : public ::testing::Test {
 protected:
  RouterTest() : router_(AllowedHosts("127.0.0.1:1", {}), std::nullopt, nullptr) {
    for (const char* method : {"GET", "POST"}) {
      router_.Add({method, "/a", false, false, [method](const std::shared_ptr<Exchange>& exchange) {
                     HttpResponse response;
                     response.body = method;
                     exchange->Respond(response);
                   }});
    }
  }
  int Status(HttpRequest request) {
    const std::optional<HttpResponse> refusal = router_.CheckHead(&request);
    return refusal.has_value() ? refusal->status : 200;
  }
  Router router_;
};

TEST_F(RouterTest, FindsRoutesByMethodAndPath) {
  for (const auto& [method, body] : {std::pair("GET", "GET"), {"HEAD", "GET"}, {"POST", "POST"}}) {
    EXPECT_EQ(Status(Get("/a", method)), 200);
    const auto exchange = std::make_shared<FakeExchange>(Get("/a", method));
    router_.Handle(exchange);
    EXPECT_EQ(exchange->body, body);
  }
}

TEST_F(RouterTest, ARouteMayHaveAllBelowIt) {
  Route route = router_.routes()[0];
  route.path = "/b/";
  route.below = true;
  router_.Add(route);
  EXPECT_EQ(Status(Get("/b/")), 200);
  EXPECT_EQ(Status(Get("/b/c%2F/d")), 200);
  EXPECT_EQ(Status(Get("/b")), 404);
  EXPECT_EQ(Status(Get("/b/c", "POST")), 405);
}

TEST_F(RouterTest, RefusesOthers) {
  EXPECT_EQ(Status(Get("/")), 404);
  EXPECT_EQ(Status(Get("/a/")), 404);
  EXPECT_EQ(Status(Get("/A")), 404);
  EXPECT_EQ(Status(Get("/a\xff\n" + std::string(10'000, 'a'))), 404);
  HttpRequest request = Get("/a", "DELETE");
  const std::optional<HttpResponse> refusal = router_.CheckHead(&request);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->status, 405);
  EXPECT_THAT(refusal->headers, Contains(Pair("Allow", "GET, POST")));
}

TEST_F(RouterTest, HostIsCheckedFirst) {
  HttpRequest request = Get("/a");
  request.host = "evil.example";
  EXPECT_EQ(Status(request), 403);
  request = Get("/a", "POST");
  request.origin = "http://evil.example";
  EXPECT_EQ(Status(request), 403);
}

}  // namespace
}  // namespace gantry
