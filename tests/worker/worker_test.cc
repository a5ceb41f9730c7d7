#include "worker/worker.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "base/version.h"
#include "gtest/gtest.h"
#include "proto/channel.h"
#include "proto/status.h"
#include "tests/status_matchers.h"
#include "tests/temp_folder.h"
#include "tests/worker/fake_coordinator.h"
#include "tests/worker/stage_testing.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

// A worker that runs in this process, and the calls that a coordinator makes to it.
class RunningWorker {
 public:
  RunningWorker(const FakeCoordinator& coordinator, const std::string& name,
                const std::string& model_root = "") {
    WorkerOptions options;
    options.coordinator = coordinator.endpoint().address();
    options.device = "reference";
    options.name = name;
    options.memory_bytes = 100 << 20;
    options.model_root = model_root;
    worker_ = Worker::Start(options).value();
    channel_ = MakeChannel(worker_->endpoint().address(), Credentials(), kWorkerRole);
    thread_ = std::thread([this] { ended_ = worker_->Run(); });
  }
  ~RunningWorker() { Stop().IgnoreError(); }

  absl::Status Stop() {
    worker_->Stop();
    if (thread_.joinable()) thread_.join();
    return ended_;
  }
  absl::Status Wait() {
    thread_.join();
    return ended_;
  }
  const v1::Endpoint& endpoint() const { return worker_->endpoint(); }
  grpc::Channel* channel() { return channel_.get(); }

  absl::StatusOr<v1::LoadProgress> Load(const v1::LoadRequest& request) {
    grpc::ClientContext context;
    auto reader = v1::Stage::NewStub(channel_)->Load(&context, request);
    v1::LoadProgress progress;
    while (reader->Read(&progress)) {
    }
    const absl::Status status = FromGrpcStatus(reader->Finish());
    if (!status.ok()) return status;
    return progress;
  }
  absl::Status Unload(uint64_t epoch) {
    grpc::ClientContext context;
    v1::UnloadRequest request;
    v1::UnloadResponse response;
    request.set_epoch(epoch);
    return FromGrpcStatus(v1::Stage::NewStub(channel_)->Unload(&context, request, &response));
  }

 private:
  std::unique_ptr<Worker> worker_;
  std::shared_ptr<grpc::Channel> channel_;
  absl::Status ended_;
  std::thread thread_;
};

v1::LoadRequest MakeRequest(uint64_t epoch) {
  v1::LoadRequest request;
  request.set_epoch(epoch);
  request.mutable_model()->set_dummy(true);
  request.mutable_model()->set_dummy_seed(7);
  request.mutable_model()->set_config_json(TinyConfigJson());
  request.mutable_kv()->set_block_size(16);
  request.mutable_kv()->set_num_blocks(16);
  request.mutable_kv()->set_context(64);
  request.set_max_step_tokens(32);
  request.set_max_step_rows(8);
  return request;
}

// Modules [begin, end) as stage `index`.
void AddStage(uint32_t index, size_t begin, size_t end, const v1::Endpoint& next,
              v1::LoadRequest* request) {
  const std::vector<ModuleSpec> modules = ListModules(TinyConfig());
  v1::StageAssignment* stage = request->add_stages();
  stage->set_index(index);
  for (size_t i = begin; i < end; ++i) {
    v1::ModuleAssignment* module = stage->add_modules();
    module->set_name(modules[i].name);
    module->set_scheme("fp32");
  }
  *stage->mutable_next() = next;
}

v1::LoadRequest WholeModel(uint64_t epoch, const FakeCoordinator& coordinator) {
  v1::LoadRequest request = MakeRequest(epoch);
  AddStage(0, 0, 6, coordinator.endpoint(), &request);
  return request;
}

// A prompt of one sequence that asks for a token.
StepFrame MakeStep(uint64_t epoch, uint64_t sequence) {
  StepFrame frame;
  frame.header.set_epoch(epoch);
  frame.header.set_step(1);
  v1::SequenceSlice& slice = *frame.header.add_slices();
  slice.set_sequence(sequence);
  for (const int32_t id : {4, 5, 6}) slice.add_token_ids(id);
  slice.add_new_blocks(static_cast<uint32_t>(sequence));
  *slice.mutable_params() = GreedyParams(3);
  slice.set_logit_rows(1);
  slice.set_rope_length(3);
  return frame;
}

struct Stream {
  Stream(grpc::Channel* channel, uint64_t epoch) {
    context.AddMetadata(kEpochMetadata, absl::StrCat(epoch));
    stream = OpenSteps(channel, &context);
  }
  grpc::ClientContext context;
  std::unique_ptr<StepWriter> stream;
};

// The status with which the worker ends a stream that carries `frame`.
absl::Status EndAfter(grpc::Channel* channel, uint64_t epoch, const StepFrame& frame) {
  Stream run(channel, epoch);
  StepFrame answer;
  if (run.stream->Read(&answer)) {
    run.stream->Write(frame);
    while (run.stream->Read(&answer)) {
    }
  }
  return FromGrpcStatus(run.stream->Finish());
}

std::string ExpectedToken() {
  TestPipeline pipeline(TinyConfig(), {.backend = "reference"});
  const v1::StepHeader header =
      pipeline.RunStep({pipeline.MakeSlice(1, {4, 5, 6}, 0, 3, 1, GreedyParams(3))});
  return header.results(0).tokens(0).SerializeAsString();
}

TEST(WorkerTest, JoinsRenewsItsLeaseAndSaysGoodbye) {
  FakeCoordinator coordinator;
  RunningWorker worker(coordinator, "alpha");
  const v1::WorkerMessage hello = coordinator.NextMessage();
  ASSERT_TRUE(hello.has_hello());
  EXPECT_EQ(hello.hello().name(), "alpha");
  EXPECT_EQ(hello.hello().protocol_version(), kProtocolVersion);
  EXPECT_EQ(hello.hello().endpoint().address(), worker.endpoint().address());
  EXPECT_FALSE(hello.hello().instance().empty());
  EXPECT_EQ(hello.hello().device().memory_bytes(), 100 << 20);
  EXPECT_GT(hello.hello().device().read_bytes_per_s(), 0);
  for (int i = 0; i < 3; ++i) {
    const v1::WorkerMessage message = coordinator.NextMessage();
    ASSERT_TRUE(message.has_progress());
    EXPECT_GT(message.progress().resident_bytes(), 0);
  }
  GANTRY_EXPECT_OK(worker.Stop());
  coordinator.NextMessage(v1::WorkerMessage::kGoodbye);
}

TEST(WorkerTest, ARefusalEndsIt) {
  FakeCoordinator coordinator(
      grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "another protocol version"));
  RunningWorker worker(coordinator, "alpha");
  EXPECT_THAT(worker.Wait(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "another protocol version"));
}

TEST(WorkerTest, JoinsAgainAndKeepsItsWeights) {
  FakeCoordinator coordinator;
  RunningWorker worker(coordinator, "alpha");
  coordinator.NextMessage(v1::WorkerMessage::kProgress);
  GANTRY_ASSERT_OK_AND_ASSIGN(const v1::LoadProgress first,
                              worker.Load(WholeModel(5, coordinator)));
  EXPECT_TRUE(first.done());
  EXPECT_GT(first.bytes_total(), 0);
  EXPECT_GT(first.measured_bytes(), first.bytes_total());
  coordinator.EndStreams();
  coordinator.NextMessage(v1::WorkerMessage::kHello);
  // A coordinator that begins anew counts its epochs anew.
  GANTRY_ASSERT_OK_AND_ASSIGN(const v1::LoadProgress second,
                              worker.Load(WholeModel(1, coordinator)));
  EXPECT_EQ(second.bytes_total(), 0);
  EXPECT_EQ(second.measured_bytes(), first.measured_bytes());
}

TEST(WorkerTest, RunsStepsOnOneWorker) {
  FakeCoordinator coordinator;
  RunningWorker worker(coordinator, "alpha");
  GANTRY_ASSERT_OK(worker.Load(WholeModel(1, coordinator)));
  Stream run(worker.channel(), 1);
  StepFrame ack;
  ASSERT_TRUE(run.stream->Read(&ack));
  ASSERT_TRUE(run.stream->Write(MakeStep(1, 3)));
  const v1::StepHeader results = coordinator.NextResults();
  EXPECT_EQ(results.stage(), 1);
  ASSERT_EQ(results.results_size(), 1);
  EXPECT_EQ(results.results(0).tokens(0).SerializeAsString(), ExpectedToken());
  run.context.TryCancel();
  run.stream->Finish();
}

// The placement leaves alpha and comes back to it, so each worker's link opens into one that is
// still loading.
TEST(WorkerTest, PushesActivationsFromWorkerToWorkerAndBack) {
  FakeCoordinator coordinator;
  RunningWorker alpha(coordinator, "alpha");
  RunningWorker beta(coordinator, "beta");
  v1::LoadRequest for_alpha = MakeRequest(2);
  AddStage(0, 0, 2, beta.endpoint(), &for_alpha);
  AddStage(2, 3, 5, alpha.endpoint(), &for_alpha);  // the next stage is here too
  AddStage(3, 5, 6, coordinator.endpoint(), &for_alpha);
  v1::LoadRequest for_beta = MakeRequest(2);
  AddStage(1, 2, 3, alpha.endpoint(), &for_beta);
  absl::Status alpha_loaded;
  std::thread loading([&] { alpha_loaded = alpha.Load(for_alpha).status(); });
  GANTRY_EXPECT_OK(beta.Load(for_beta));
  loading.join();
  GANTRY_ASSERT_OK(alpha_loaded);

  Stream run(alpha.channel(), 2);
  StepFrame ack;
  ASSERT_TRUE(run.stream->Read(&ack));
  for (uint64_t sequence = 1; sequence <= 10; ++sequence) {
    ASSERT_TRUE(run.stream->Write(MakeStep(2, sequence)));
  }
  const std::string expected = ExpectedToken();
  for (uint64_t sequence = 1; sequence <= 10; ++sequence) {
    const v1::StepHeader results = coordinator.NextResults();
    EXPECT_EQ(results.stage(), 4);
    ASSERT_EQ(results.results_size(), 1);
    EXPECT_EQ(results.results(0).sequence(), sequence);
    ASSERT_EQ(results.results(0).error(), "");
    EXPECT_EQ(results.results(0).tokens(0).SerializeAsString(), expected);
    ASSERT_EQ(results.costs_size(), 4);
    for (int stage = 0; stage < 4; ++stage) {
      EXPECT_EQ(results.costs(stage).stage(), stage);
      EXPECT_GE(results.costs(stage).queued_s(), 0);
      EXPECT_GT(results.costs(stage).computed_s(), 0);
    }
  }
  // Progress names the stages.
  while (true) {
    const v1::WorkerMessage message = coordinator.NextMessage(v1::WorkerMessage::kProgress);
    if (message.progress().stages_size() != 3 || message.progress().steps() < 30) continue;
    EXPECT_EQ(message.progress().epoch(), 2);
    EXPECT_GT(message.progress().stages(0).step_ms(), 0);
    // Rows of 32 floats; the last stage sends tokens.
    const uint64_t sent = message.progress().stages(0).sent_bytes();
    EXPECT_GT(sent, 0);
    EXPECT_EQ(sent % (10 * 32 * 4), 0);
    EXPECT_EQ(message.progress().stages(2).sent_bytes(), 0);
    break;
  }
  run.context.TryCancel();
  run.stream->Finish();
}

TEST(WorkerTest, ABrokenLinkIsAFault) {
  FakeCoordinator coordinator;
  RunningWorker alpha(coordinator, "alpha");
  auto beta = std::make_unique<RunningWorker>(coordinator, "beta");
  v1::LoadRequest for_beta = MakeRequest(2);
  AddStage(1, 2, 6, coordinator.endpoint(), &for_beta);
  GANTRY_ASSERT_OK(beta->Load(for_beta));
  v1::LoadRequest for_alpha = MakeRequest(2);
  AddStage(0, 0, 2, beta->endpoint(), &for_alpha);
  coordinator.NextMessage(v1::WorkerMessage::kProgress);
  GANTRY_ASSERT_OK(alpha.Load(for_alpha));
  const std::string address = beta->endpoint().address();
  beta.reset();
  const v1::WorkerMessage fault = coordinator.NextMessage(v1::WorkerMessage::kFault);
  EXPECT_EQ(fault.fault().epoch(), 2);
  EXPECT_THAT(fault.fault().message(), HasSubstr("link from stage 0 to " + address));
}

TEST(WorkerTest, BadFramesEndTheirStreamAndNothingElse) {
  FakeCoordinator coordinator;
  RunningWorker worker(coordinator, "alpha");
  EXPECT_THAT(worker.Unload(1),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("nothing is loaded")));
  GANTRY_ASSERT_OK(worker.Load(WholeModel(4, coordinator)));
  EXPECT_THAT(EndAfter(worker.channel(), 3, MakeStep(3, 1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("epoch 3 is not in")));
  EXPECT_THAT(EndAfter(worker.channel(), 4, MakeStep(5, 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("epoch: expected 4")));
  StepFrame other = MakeStep(4, 1);
  other.header.set_stage(9);
  EXPECT_THAT(EndAfter(worker.channel(), 4, other),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("stage 9 is not on")));
  StepFrame payload = MakeStep(4, 1);
  payload.AllocatePayload(5);
  EXPECT_THAT(EndAfter(worker.channel(), 4, payload),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected no payload")));

  Stream run(worker.channel(), 4);
  StepFrame ack;
  ASSERT_TRUE(run.stream->Read(&ack));
  ASSERT_TRUE(run.stream->Write(MakeStep(3, 2)));  // late, from an epoch that is over
  ASSERT_TRUE(run.stream->Write(MakeStep(4, 1)));
  const v1::StepHeader results = coordinator.NextResults();
  EXPECT_EQ(results.epoch(), 4);
  EXPECT_EQ(results.results(0).sequence(), 1);
  run.context.TryCancel();
  run.stream->Finish();
  GANTRY_EXPECT_OK(worker.Unload(4));
}

TEST(WorkerTest, RefusesWhatItCannotLoad) {
  FakeCoordinator coordinator;
  RunningWorker worker(coordinator, "alpha");
  GANTRY_ASSERT_OK(worker.Load(WholeModel(4, coordinator)));
  EXPECT_THAT(worker.Load(WholeModel(4, coordinator)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("more than 4, found 4")));

  v1::LoadRequest large = WholeModel(5, coordinator);
  large.mutable_kv()->set_num_blocks(1 << 20);
  EXPECT_THAT(worker.Load(large),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("alpha: its modules need")));
  v1::LoadRequest unknown = WholeModel(6, coordinator);
  unknown.mutable_stages(0)->mutable_modules(2)->set_name("model.layers.77");
  EXPECT_THAT(worker.Load(unknown),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("model.layers.77")));
  v1::LoadRequest scheme = WholeModel(6, coordinator);
  scheme.mutable_stages(0)->mutable_modules(2)->set_scheme("fp5");
  EXPECT_THAT(worker.Load(scheme), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("fp5")));
  v1::LoadRequest int8 = WholeModel(6, coordinator);
  v1::WeightAssignment* q_proj = int8.mutable_stages(0)->mutable_modules(1)->add_weights();
  q_proj->set_name("model.layers.0.self_attn.q_proj.weight");
  q_proj->set_scheme("int8");
  EXPECT_THAT(worker.Load(int8), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("k_proj.weight: expected that of model.layers."
                                                    "0.self_attn.q_proj.weight, int8")));
  v1::LoadRequest no_blocks = WholeModel(6, coordinator);
  no_blocks.mutable_kv()->set_block_size(0);
  EXPECT_THAT(worker.Load(no_blocks),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("kv.block_size")));
  v1::LoadRequest config = WholeModel(6, coordinator);
  config.mutable_model()->set_config_json("{");
  EXPECT_THAT(worker.Load(config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("config_json")));
  v1::LoadRequest missing = WholeModel(6, coordinator);
  missing.mutable_model()->set_dummy(false);
  missing.mutable_model()->set_name("/no/such/model");
  EXPECT_THAT(worker.Load(missing),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/no/such/model")));
  GANTRY_EXPECT_OK(worker.Load(WholeModel(7, coordinator)));
}

TEST(WorkerTest, FindsTheModelUnderItsOwnRootAndComparesTheFiles) {
  const std::string root = std::string(GANTRY_TESTDATA) + "/models";
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Checkpoint> checkpoint,
                              Checkpoint::Open(root + "/llama-tied"));
  FakeCoordinator coordinator;
  RunningWorker worker(coordinator, "alpha", root);
  v1::LoadRequest request = MakeRequest(1);
  request.mutable_model()->set_dummy(false);
  request.mutable_model()->set_name("/elsewhere/llama-tied/");
  for (const FileFingerprint& file : checkpoint->fingerprint()) {
    v1::FileFingerprint* expected = request.mutable_model()->add_files();
    expected->set_name(file.name);
    expected->set_size(file.size);
    expected->set_header(file.header);
  }
  AddStage(0, 0, 2, coordinator.endpoint(), &request);
  request.mutable_stages(0)->clear_modules();
  for (const ModuleSpec& module : checkpoint->modules()) {
    v1::ModuleAssignment* assigned = request.mutable_stages(0)->add_modules();
    assigned->set_name(module.name);
    assigned->set_scheme("fp32");
  }
  GANTRY_EXPECT_OK(worker.Load(request));
  request.set_epoch(2);
  request.mutable_model()->mutable_files(0)->set_size(12345);
  EXPECT_THAT(worker.Load(request),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       ::testing::AllOf(
                           HasSubstr(checkpoint->fingerprint()[0].name), HasSubstr("12345 bytes"),
                           HasSubstr(absl::StrCat(checkpoint->fingerprint()[0].size, " bytes")))));
}

TEST(WorkerTest, OptionsAreChecked) {
  WorkerOptions options;
  options.device = "cuda:0";
  EXPECT_THAT(Worker::Start(options),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("built without CUDA")));
  options.device = "tpu";
  EXPECT_THAT(Worker::Start(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tpu")));
  options.device = "reference";
  options.listen = "0.0.0.0:0";
  EXPECT_THAT(Worker::Start(options),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("--listen")));
  options.listen = "127.0.0.1";
  EXPECT_THAT(Worker::Start(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("HOST:PORT")));
  options.listen = "127.0.0.1:0";
  options.isa = "sse9";
  options.device = "cpu";
  EXPECT_THAT(Worker::Start(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("sse9")));
}

TEST(WorkerTest, APortInUseIsAnError) {
  FakeCoordinator coordinator;
  WorkerOptions options;
  options.device = "reference";
  options.listen = coordinator.endpoint().address();
  EXPECT_THAT(Worker::Start(options),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("in use")));
}

}  // namespace
}  // namespace gantry
