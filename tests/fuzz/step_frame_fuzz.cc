// A message of Stage.Run: decoded, checked as a worker checks it, and run through a stage of a tiny
// model. What passes the checks must compute. The first byte chooses the stage.

#include <cstdint>
#include <cstdlib>

#include "tests/worker/stage_testing.h"

namespace {

gantry::TestPipeline* MakePipeline() {
  gantry::TestPipeline::Options options;
  options.backend = "reference";
  options.cuts = {2, 4};
  options.block_size = 4;
  options.num_blocks = 8;
  options.max_step_tokens = 16;
  options.max_step_rows = 8;
  return new gantry::TestPipeline(gantry::TinyConfig(), options);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static gantry::TestPipeline* const pipeline = MakePipeline();
  if (size < 1) return 0;
  gantry::Stage& stage = pipeline->stage(data[0] % pipeline->num_stages());
  gantry::StepFrame frame;
  // Two slices, so that fields cross from one to the other.
  const size_t half = 1 + (size - 1) / 2;
  if (!gantry::DecodeStepFrame(
           {grpc::Slice(data + 1, half - 1), grpc::Slice(data + half, size - half)}, &frame)
           .ok()) {
    return 0;
  }
  if (!gantry::CheckFrame(frame, stage.limits()).ok()) return 0;
  std::vector<uint64_t> sequences;
  for (const auto& slice : frame.header.slices()) sequences.push_back(slice.sequence());
  if (!stage.Run(&frame).ok()) std::abort();
  // Whatever is sent on decodes again.
  gantry::StepFrame again;
  if (!gantry::DecodeStepFrame(gantry::EncodeStepFrame(frame), &again).ok()) std::abort();
  gantry::StepFrame release;
  release.header.set_epoch(1);
  release.header.set_stage(stage.index());
  for (const uint64_t sequence : sequences) release.header.add_released(sequence);
  if (!stage.Run(&release).ok() || stage.sequences().used_blocks() != 0) std::abort();
  return 0;
}
