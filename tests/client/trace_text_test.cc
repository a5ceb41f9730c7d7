#include "client/trace_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::RequestTrace Trace() {
  v1::RequestTrace trace;
  trace.set_request_id("gen-7");
  trace.set_finished_reason("length");
  trace.set_prompt_tokens(20);
  trace.set_shared_prompt_tokens(16);
  trace.set_completion_tokens(3);
  trace.set_queue_s(0.0005);
  v1::PhaseTrace* const prefill = trace.mutable_prefill();
  prefill->set_seconds(0.025);
  prefill->set_steps(1);
  prefill->set_transfer_s(0.001);
  v1::StageTrace* const stage = prefill->add_stages();
  stage->set_queued_s(0.004);
  stage->set_computed_s(0.02);
  trace.mutable_decode()->set_seconds(2);
  trace.mutable_decode()->set_idle_s(0.5);
  for (int tokens : {4, 1}) {
    v1::TraceStep* const step = trace.add_steps();
    step->set_sent_s(0.001);
    step->set_seconds(0.025);
    step->set_tokens(tokens);
    step->set_step_tokens(9);
    step->set_transfer_s(0.001);
    *step->add_stages() = *stage;
    *step->add_stages() = *stage;
  }
  return trace;
}

TEST(TraceTextTest, ShowsPhasesStagesAndSteps) {
  EXPECT_EQ(TraceText(Trace()),
            "request   gen-7, length\n"
            "tokens    20 of the prompt (16 shared), 3 generated\n"
            "\n"
            "PHASE          MS     IDLE  STEPS  TRANSFER\n"
            "queue       0.500\n"
            "prefill    25.000    0.000      1     1.000\n"
            "decode   2000.000  500.000      0     0.000\n"
            "\n"
            "STAGE  PREFILL WAITS  COMPUTES  DECODE WAITS  COMPUTES\n"
            "    0          4.000    20.000             -         -\n"
            "\n"
            "SENT AT      MS  TOKENS  OF ALL  TRANSFER  WAITS+COMPUTES BY STAGE\n"
            "  1.000  25.000       4       9     1.000  4.000+20.000  4.000+20.000\n"
            "  1.000  25.000       1       9     1.000  4.000+20.000  4.000+20.000\n");
}

TEST(TraceTextTest, SaysWhatIsLeftOutAndWhatWasDoneAgain) {
  v1::RequestTrace trace = Trace();
  trace.set_steps_before_gap(1);
  trace.set_steps_left_out(12);
  trace.set_preemptions(2);
  EXPECT_THAT(TraceText(trace), HasSubstr("again     2 preemptions, 0 recoveries\n"));
  EXPECT_THAT(TraceText(trace),
              HasSubstr("20.000\n    ...                                    12 left out\n"));
  trace.clear_steps();
  trace.clear_finished_reason();
  EXPECT_THAT(TraceText(trace), HasSubstr("gen-7, has not ended\n"));
  EXPECT_THAT(TraceText(trace), Not(HasSubstr("STAGE")));
}

}  // namespace
}  // namespace gantry
