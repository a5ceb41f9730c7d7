#include "client/status_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ModuleRangesTest, JoinsConsecutiveNumbersOnly) {
  EXPECT_EQ(ModuleRanges({}), "");
  EXPECT_EQ(ModuleRanges({"model.layers.7"}), "model.layers.7");
  EXPECT_EQ(ModuleRanges({"model.embed_tokens", "model.layers.0", "model.layers.1",
                          "model.layers.2", "model.norm", "lm_head"}),
            "model.embed_tokens, model.layers.0-2, model.norm, lm_head");
  EXPECT_EQ(ModuleRanges({"model.layers.1", "model.layers.3", "model.layers.2"}),
            "model.layers.1, model.layers.3, model.layers.2");
  EXPECT_EQ(ModuleRanges({"a.1", "b.2"}), "a.1, b.2");
  EXPECT_EQ(ModuleRanges({"model.layers.9", "model.layers.10"}), "model.layers.9-10");
}

TEST(ModuleRangesTest, OddNamesAreLeftAlone) {
  EXPECT_EQ(ModuleRanges({"a.", "a.01", "a.2", "", ".", "a.99999999999999999999"}),
            "a., a.01, a.2, , ., a.99999999999999999999");
}

TEST(StatusTextTest, ReadyServer) {
  v1::GetStatusResponse status;
  status.set_ready(true);
  status.set_epoch(2);
  status.set_model("demo");
  status.set_context(2048);
  status.set_version("0.1.0");
  v1::WorkerStatus* worker = status.add_workers();
  worker->set_name("w0");
  worker->set_address("127.0.0.1:4001");
  worker->set_device("cpu");
  worker->set_threads(2);
  worker->set_isa("avx512");
  worker->set_loaded(1);
  worker->add_modules("model.layers.0");
  worker->add_modules("model.layers.1");
  worker->set_predicted_bytes(1500000000);
  worker->set_measured_bytes(1400000000);
  worker->set_resident_bytes(1600000000);
  worker->set_memory_bytes(8000000000);
  worker->set_read_bytes_per_s(30e9);
  v1::StageStatus* stage = status.add_stages();
  stage->add_modules("model.layers.0");
  stage->add_modules("model.layers.1");
  stage->set_worker("w0");
  stage->set_scheme("fp32");
  stage->set_step_ms(1.5);
  stage->set_predicted_ms(1.25);
  status.set_predicted_decode_tokens_per_s(800);
  status.mutable_counters()->set_decode_tokens_per_s(650.5);
  stage->set_steps(10);
  stage->set_device("cpu");
  stage->set_predicted_bytes(1500000000);
  stage->set_measured_bytes(1400000000);
  stage->set_predicted_tokens_per_s(800);
  stage->set_tokens_per_s(666.7);
  status.mutable_counters()->set_kv_blocks_total(100);
  status.mutable_counters()->set_kv_blocks_used(3);
  EXPECT_EQ(StatusText(status),
            "ready\n"
            "model     demo\n"
            "context   2048 tokens\n"
            "epoch     2\n"
            "version   0.1.0\n"
            "\n"
            "WORKER  ADDRESS         DEVICE  THREADS  ISA     LOADED  PREDICTED  MEASURED  RESIDENT"
            "  OFFERED  READS/S  MODULES\n"
            "w0      127.0.0.1:4001  cpu           2  avx512   100 %    1.50 GB   1.40 GB   1.60 GB"
            "  8.00 GB  30.0 GB  model.layers.0-1\n"
            "\n"
            "STAGE  WORKER  DEVICE  SCHEME  PREDICTED  MEASURED  STEP PREDICTED  MEASURED"
            "  TOKENS/S PREDICTED  MEASURED  STEPS  MODULES\n"
            "    0  w0      cpu     fp32      1.50 GB   1.40 GB        1.250 ms  1.500 ms"
            "                 800     666.7     10  model.layers.0-1\n"
            "\n"
            "decode    800 tokens/s a request predicted, 650.5 measured\n"
            "requests  0 running, 0 waiting, 0 finished, 0 failed, 0 cancelled, 0 rejected\n"
            "tokens    0 of prompts (0 shared), 0 generated\n"
            "steps     0, 0 in flight\n"
            "kv cache  3 of 100 blocks in use\n");
}

TEST(StatusTextTest, AGpuIsNamed) {
  v1::GetStatusResponse status;
  v1::WorkerStatus* const worker = status.add_workers();
  worker->set_name("g0");
  worker->set_device("cuda:1");
  worker->set_description("NVIDIA H200, compute capability 9.0, 151 GB");
  v1::StageStatus* const stage = status.add_stages();
  stage->set_worker("g0");
  stage->set_device("cuda:1");
  stage->set_scheme("nf4");
  const std::string text = StatusText(status);
  EXPECT_THAT(text, HasSubstr("cuda:1 NVIDIA H200  "));
  // Nothing is measured before a step has run.
  EXPECT_THAT(text,
              HasSubstr("g0      cuda:1  nf4             -         -               -         -"));
}

TEST(StatusTextTest, SaysWhyItIsNotReady) {
  v1::GetStatusResponse status;
  status.set_reason("waiting for 2 of 3 workers");
  EXPECT_THAT(StatusText(status), StartsWith("not ready: waiting for 2 of 3 workers\n"));
  EXPECT_THAT(StatusText(status), HasSubstr("no workers have joined\n"));
}

}  // namespace
}  // namespace gantry
