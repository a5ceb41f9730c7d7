#include "worker/stage_host.h"

#include "gtest/gtest.h"
#include "kernels/host_backend.h"
#include "tests/status_matchers.h"
#include "tests/worker/fake_coordinator.h"
#include "tests/worker/stage_testing.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr size_t kScratch = 12345;

// Takes every format and type, and notes what it was asked for. Computes nothing.
class NotingBackend : public HostBackend {
 public:
  std::string name() const override { return "noting"; }
  DType activation_dtype() const override { return options_.activation_dtype; }
  absl::Status Configure(const ComputeOptions& options) override {
    if (options.activation_dtype == DType::kF16) return absl::InvalidArgumentError("no F16");
    options_ = options;
    configured.push_back(options);
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<Matrix>> Pack(const MatrixSource& source) override {
    packed.push_back(source.format);
    gated += source.gated;
    return std::unique_ptr<Matrix>(new NotedMatrix(source.format, source.rows, source.cols));
  }
  size_t PackedBytes(const MatrixFormat&, int64_t rows, int64_t cols) const override {
    return rows * cols;
  }
  absl::StatusOr<std::unique_ptr<KvCache>> MakeKvCache(const KvCacheShape& shape) override {
    caches.push_back(shape.dtype);
    return std::unique_ptr<KvCache>(new NotedCache());
  }
  absl::Status Reserve(const StepLimits& limits) override {
    reserved.push_back(limits);
    packed_before_reserve = packed.size();
    return absl::OkStatus();
  }
  size_t scratch_bytes() const override { return reserved.empty() ? 0 : kScratch; }
  size_t KvCacheBytes(const KvCacheShape&) const override { return 1; }
  absl::Status Embed(const Matrix&, Buffer*) override { return Unexpected(); }
  absl::Status Linear(const LinearArgs&) override { return Unexpected(); }
  absl::Status RmsNorm(const Buffer&, const Buffer&, float, int64_t, int64_t, Buffer*) override {
    return Unexpected();
  }
  absl::Status Attention(const AttentionArgs&) override { return Unexpected(); }

  std::vector<ComputeOptions> configured;
  std::vector<MatrixFormat> packed;
  std::vector<DType> caches;
  std::vector<StepLimits> reserved;
  size_t packed_before_reserve = 0;
  int gated = 0;

 private:
  struct NotedMatrix : Matrix {
    using Matrix::Matrix;
    NotedMatrix(const MatrixFormat& format, int64_t rows, int64_t cols)
        : Matrix(format, rows, cols) {}
    size_t bytes() const override { return rows() * cols(); }
  };
  struct NotedCache : KvCache {
    size_t bytes() const override { return 1; }
  };
  static absl::Status Unexpected() { return absl::InternalError("not expected to compute"); }
  ComputeOptions options_;
};

class StageHostTest : public ::testing::Test {
 protected:
  std::unique_ptr<StageHost> MakeHost(bool chooses_types, uint64_t memory_bytes = 100 << 20) {
    StageHostOptions options;
    options.worker = "alpha";
    options.memory_bytes = memory_bytes;
    options.chooses_types = chooses_types;
    return std::make_unique<StageHost>(options, &backend_,
                                       [](uint64_t, const std::string& message) {});
  }
  v1::LoadRequest MakeRequest(uint64_t epoch) {
    v1::LoadRequest request;
    request.set_epoch(epoch);
    request.mutable_model()->set_dummy(true);
    request.mutable_model()->set_config_json(TinyConfigJson());
    request.mutable_kv()->set_block_size(16);
    request.mutable_kv()->set_num_blocks(16);
    request.mutable_kv()->set_context(64);
    request.mutable_kv()->set_dtype("F16");
    request.set_max_step_tokens(32);
    request.set_max_step_rows(8);
    request.mutable_numerics()->set_activation_dtype("BF16");
    request.mutable_numerics()->set_bnb_4bit_compute_dtype("BF16");
    v1::StageAssignment* stage = request.add_stages();
    for (const ModuleSpec& module : ListModules(TinyConfig())) {
      v1::ModuleAssignment* assigned = stage->add_modules();
      assigned->set_name(module.name);
      assigned->set_scheme(module.kind == ModuleKind::kLayer ? "nf4" : "bf16");
    }
    *stage->mutable_next() = coordinator_.endpoint();
    return request;
  }
  absl::Status Load(const v1::LoadRequest& request, StageHost* host) {
    backend_.configured.clear();
    backend_.packed.clear();
    backend_.caches.clear();
    return host->Load(request, [](uint64_t, uint64_t) { return absl::OkStatus(); }).status();
  }

  FakeCoordinator coordinator_;
  NotingBackend backend_;
};

constexpr size_t kMatrices = 3 * 4 + 1;  // a tied head is the embedding

TEST_F(StageHostTest, TellsTheBackendItsTypesBeforeItPacks) {
  const std::unique_ptr<StageHost> host = MakeHost(/*chooses_types=*/true);
  v1::LoadRequest request = MakeRequest(1);
  GANTRY_ASSERT_OK(Load(request, host.get()));
  const ComputeOptions bf16 = {.activation_dtype = DType::kBF16};
  EXPECT_THAT(backend_.configured, ElementsAre(bf16));
  ASSERT_EQ(backend_.packed.size(), kMatrices);
  EXPECT_EQ(backend_.packed[0], (MatrixFormat{.scheme = {.scheme = Scheme::kBf16}}));
  EXPECT_EQ(backend_.packed[1],
            (MatrixFormat{.scheme = {.scheme = Scheme::kNf4}, .compute_dtype = DType::kBF16}));
  EXPECT_THAT(backend_.caches, ElementsAre(DType::kF16, DType::kF16, DType::kF16));

  request.set_epoch(2);
  request.mutable_kv()->clear_dtype();
  GANTRY_ASSERT_OK(Load(request, host.get()));
  EXPECT_TRUE(backend_.configured.empty());
  EXPECT_TRUE(backend_.packed.empty()) << "the weights are kept";
  EXPECT_THAT(backend_.caches, ElementsAre(DType::kF32, DType::kF32, DType::kF32));
}

TEST_F(StageHostTest, ReservesForTheLargestStepWhenAllIsPacked) {
  const std::unique_ptr<StageHost> host = MakeHost(/*chooses_types=*/true);
  const auto ignore = [](uint64_t, uint64_t) { return absl::OkStatus(); };
  GANTRY_ASSERT_OK_AND_ASSIGN(const uint64_t measured, host->Load(MakeRequest(1), ignore));
  ASSERT_EQ(backend_.reserved.size(), 1);
  EXPECT_EQ(backend_.packed_before_reserve, kMatrices);
  EXPECT_EQ(backend_.reserved[0].rows, 32);
  EXPECT_EQ(backend_.reserved[0].logit_rows, 8);
  EXPECT_EQ(backend_.reserved[0].context, 64);
  EXPECT_EQ(backend_.reserved[0].heads, 4);
  EXPECT_EQ(backend_.reserved[0].head_dim, 8);
  EXPECT_EQ(backend_.gated, 3) << "gate and up of each layer";
  EXPECT_GT(measured, kScratch);
  // What follows takes the same again, and the scratch is part of it.
  backend_.reserved.clear();
  GANTRY_ASSERT_OK_AND_ASSIGN(const uint64_t again, host->Load(MakeRequest(2), ignore));
  EXPECT_EQ(again, measured);
}

TEST_F(StageHostTest, OtherTypesDropTheWeights) {
  const std::unique_ptr<StageHost> host = MakeHost(/*chooses_types=*/true);
  v1::LoadRequest request = MakeRequest(1);
  GANTRY_ASSERT_OK(Load(request, host.get()));
  request.set_epoch(2);
  request.mutable_numerics()->set_deterministic(true);
  GANTRY_ASSERT_OK(Load(request, host.get()));
  EXPECT_THAT(backend_.configured,
              ElementsAre(ComputeOptions{.activation_dtype = DType::kBF16, .deterministic = true}));
  EXPECT_EQ(backend_.packed.size(), kMatrices);
  // What the backend refuses leaves it as it was.
  request.set_epoch(3);
  request.mutable_numerics()->set_activation_dtype("F16");
  EXPECT_THAT(Load(request, host.get()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no F16")));
  request.set_epoch(4);
  request.mutable_numerics()->set_activation_dtype("BF16");
  GANTRY_EXPECT_OK(Load(request, host.get()));
}

TEST_F(StageHostTest, ModulesOfAnotherFormatArePackedAgain) {
  const std::unique_ptr<StageHost> host = MakeHost(/*chooses_types=*/true);
  v1::LoadRequest request = MakeRequest(1);
  GANTRY_ASSERT_OK(Load(request, host.get()));
  request.set_epoch(2);
  v1::WeightAssignment* down = request.mutable_stages(0)->mutable_modules(2)->add_weights();
  down->set_name("model.layers.1.mlp.down_proj.weight");
  down->set_scheme("nf4");
  down->set_block_size(128);
  GANTRY_ASSERT_OK(Load(request, host.get()));
  ASSERT_EQ(backend_.packed.size(), 4) << "one layer";
  EXPECT_EQ(backend_.packed[3].scheme, (TensorScheme{.scheme = Scheme::kNf4, .block_size = 128}));
  request.set_epoch(3);
  request.mutable_numerics()->set_llm_int8_threshold(3);
  GANTRY_ASSERT_OK(Load(request, host.get()));
  EXPECT_TRUE(backend_.packed.empty()) << "there is no int8 weight";
  request.set_epoch(4);
  request.mutable_numerics()->set_bnb_4bit_compute_dtype("F16");
  GANTRY_ASSERT_OK(Load(request, host.get()));
  EXPECT_EQ(backend_.packed.size(), kMatrices - 1) << "the embedding is not in 4 bits";
}

TEST_F(StageHostTest, AHostComputesInFloat32WhateverTheOthersDo) {
  const std::unique_ptr<StageHost> host = MakeHost(/*chooses_types=*/false);
  GANTRY_ASSERT_OK(Load(MakeRequest(1), host.get()));
  EXPECT_TRUE(backend_.configured.empty());
  EXPECT_THAT(backend_.caches, ElementsAre(DType::kF32, DType::kF32, DType::kF32));
}

TEST_F(StageHostTest, ATiedHeadOfAnotherFormatTakesMemory) {
  uint64_t untied = 0;
  for (const ModuleSpec& module : ListModules(TinyConfig())) {
    untied += NeededBytes(module, ModuleFormat(), backend_);
    if (module.kind == ModuleKind::kLayer) untied += backend_.KvCacheBytes({});
  }
  const std::unique_ptr<StageHost> host = MakeHost(/*chooses_types=*/true, untied - 1);
  v1::LoadRequest request = MakeRequest(1);
  GANTRY_ASSERT_OK(Load(request, host.get()));
  request.set_epoch(2);
  request.mutable_stages(0)->mutable_modules()->rbegin()->set_scheme("int8");
  EXPECT_THAT(Load(request, host.get()),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("its modules need")));
}

TEST_F(StageHostTest, APredictedWorkspaceCannotWrapTheSum) {
  const std::unique_ptr<StageHost> host = MakeHost(/*chooses_types=*/true, /*memory_bytes=*/1000);
  v1::LoadRequest request = MakeRequest(1);
  request.set_predicted_workspace_bytes(~uint64_t{0});
  EXPECT_THAT(Load(request, host.get()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("predicted_workspace_bytes: expected a number in [0, ")));
}

TEST_F(StageHostTest, WrongFieldsAreNamed) {
  const std::unique_ptr<StageHost> host = MakeHost(/*chooses_types=*/true);
  v1::LoadRequest kv = MakeRequest(1);
  kv.mutable_kv()->set_dtype("int8");
  EXPECT_THAT(Load(kv, host.get()), StatusIs(absl::StatusCode::kInvalidArgument,
                                             HasSubstr("kv.dtype: expected F32, BF16 or F16")));
  v1::LoadRequest numerics = MakeRequest(1);
  numerics.mutable_numerics()->set_activation_dtype("bf16");
  EXPECT_THAT(Load(numerics, host.get()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("numerics.activation_dtype")));
  v1::LoadRequest weights = MakeRequest(1);
  weights.mutable_stages(0)->mutable_modules(1)->add_weights()->set_name("model.layers.0.x");
  EXPECT_THAT(Load(weights, host.get()), StatusIs(absl::StatusCode::kInvalidArgument,
                                                  HasSubstr("weights.scheme of model.layers.0.x")));
}

}  // namespace
}  // namespace gantry
