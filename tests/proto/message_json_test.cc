#include "proto/message_json.h"

#include <limits>

#include "gtest/gtest.h"

namespace gantry {
namespace {

v1::GeneratedToken Token(float logprob) {
  v1::GeneratedToken token;
  token.set_index(1);
  token.set_token_id(2);
  token.set_text("t");
  token.set_logprob(logprob);
  return token;
}

TEST(MessageJsonTest, FloatsHaveTheFewestDigitsThatGiveThemBack) {
  EXPECT_EQ(DumpJson(TokenJson(Token(-1.2f), true)["logprob"]), "-1.2");
  const float awkward = -0.693147182f;
  EXPECT_EQ(static_cast<float>(TokenJson(Token(awkward), true)["logprob"].get<double>()), awkward);
}

TEST(MessageJsonTest, InfinityIsNull) {
  EXPECT_TRUE(TokenJson(Token(-std::numeric_limits<float>::infinity()), true)["logprob"].is_null());
}

TEST(MessageJsonTest, FinishReasonsAreTheNamesOfTheHttpApi) {
  EXPECT_EQ(FinishReasonName(v1::FINISH_REASON_STOP), "stop");
  EXPECT_EQ(FinishReasonName(v1::FINISH_REASON_LENGTH), "length");
}

TEST(MessageJsonTest, StatusHasWhatScriptsRelyOn) {
  v1::GetStatusResponse status;
  status.set_ready(true);
  status.set_epoch(3);
  status.set_model("demo");
  v1::WorkerStatus* worker = status.add_workers();
  worker->set_name("w0");
  worker->set_address("127.0.0.1:4001");
  worker->set_device("cpu");
  worker->add_modules("model.layers.0");
  worker->set_predicted_bytes(100);
  worker->set_measured_bytes(90);
  v1::StageStatus* stage = status.add_stages();
  for (const char* module : {"model.layers.2", "model.layers.10"}) {
    stage->add_modules(module);
    (*status.mutable_device_map())[module] = "w0";
  }
  (*status.mutable_device_map())["model.layers.1"] = "w1";
  status.mutable_counters()->set_generated_tokens(7);
  const Json json = StatusJson(status);
  EXPECT_EQ(json["ready"], true);
  EXPECT_EQ(json["epoch"], 3);
  EXPECT_EQ(json["model"], "demo");
  EXPECT_EQ(json["workers"][0]["name"], "w0");
  EXPECT_EQ(json["workers"][0]["address"], "127.0.0.1:4001");
  EXPECT_EQ(json["workers"][0]["device"], "cpu");
  EXPECT_EQ(DumpJson(json["workers"][0]["modules"]), R"(["model.layers.0"])");
  EXPECT_EQ(json["workers"][0]["predicted_bytes"], 100);
  EXPECT_EQ(json["workers"][0]["measured_bytes"], 90);
  // In the order of the stages, whatever the hash map's.
  EXPECT_EQ(DumpJson(json["device_map"]),
            R"({"model.layers.2":"w0","model.layers.10":"w0","model.layers.1":"w1"})");
  EXPECT_EQ(json["counters"]["generated_tokens"], 7);
}

}  // namespace
}  // namespace gantry
