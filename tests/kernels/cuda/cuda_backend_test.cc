#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "gmock/gmock.h"
#include "kernels/cuda/norm.h"
#include "kernels/reference/reference_backend.h"
#include "tests/kernels/cuda/backend_testing.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(CudaBackendTest, EmbedsGathersAndFindsWhatIsNotFinite) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const auto backend = Open(dtype);
    const std::vector<float> values = RandomOf(dtype, 70 * 9);
    const auto table = PackOrDie(*backend, 70, 9, values);
    StepLayout layout = OneSlice(5);
    layout.token_ids = {69, 0, 31, 32, 69};
    layout.logit_rows = {1, 4};
    const auto out = Activations(*backend, std::vector<float>(5 * 9, kNan));
    const auto gathered = Activations(*backend, std::vector<float>(2 * 9, kNan));
    GANTRY_ASSERT_OK(backend->BeginStep(layout));
    GANTRY_ASSERT_OK(backend->Embed(*table, out.get()));
    GANTRY_ASSERT_OK(backend->NoteNonFinite(*out, 9));
    GANTRY_ASSERT_OK(backend->GatherLogitRows(*out, 9, gathered.get()));
    EXPECT_THAT(*backend->NonFiniteRows(), IsEmpty());
    GANTRY_ASSERT_OK(backend->EndStep());
    std::vector<float> expected;
    for (const int32_t id : layout.token_ids) {
      expected.insert(expected.end(), values.begin() + id * 9, values.begin() + (id + 1) * 9);
    }
    ExpectSame(ReadActivations(*backend, *out), expected);
    std::vector<float> rows(expected.begin() + 9, expected.begin() + 18);
    rows.insert(rows.end(), expected.begin() + 36, expected.end());
    ExpectSame(ReadActivations(*backend, *gathered), rows);

    expected[2 * 9 + 3] = INFINITY;
    expected[4 * 9 + 8] = kNan;
    const auto bad = Activations(*backend, expected);
    GANTRY_ASSERT_OK(backend->BeginStep(layout));
    GANTRY_ASSERT_OK(backend->NoteNonFinite(*bad, 9));
    EXPECT_THAT(*backend->NonFiniteRows(), ElementsAre(2, 4));
    GANTRY_ASSERT_OK(backend->EndStep());

    layout.token_ids[3] = 70;
    GANTRY_ASSERT_OK(backend->BeginStep(layout));
    EXPECT_THAT(backend->Embed(*table, out.get()),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("id 70")));
    GANTRY_ASSERT_OK(backend->EndStep());
  }
}

// Ends the process with 0 if what follows a kernel that reads memory that is not there says so.
void LoseDevice() {
  auto backend = MakeCudaBackend(0);
  if (!backend.ok() || !(*backend)->Configure({DType::kF32, false}).ok()) std::_Exit(2);
  auto* const nowhere = reinterpret_cast<float*>(uintptr_t{1} << 20);
  LaunchRmsNorm(CudaType::kFloat, nowhere, nowhere, 1e-5f, 1, 64, nowhere, nullptr);
  cudaDeviceSynchronize();
  for (int i = 0; i < 2; ++i) {
    for (const absl::Status& status :
         {(*backend)->Synchronize(), (*backend)->Allocate(16).status()}) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      if (status.code() != absl::StatusCode::kInternal) std::_Exit(1);
    }
  }
  std::_Exit(0);
}

TEST_F(CudaBackendTest, ALostDeviceFailsEveryCallAndSaysSo) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(LoseDevice(), ::testing::ExitedWithCode(0),
              "cuda:0: .*illegal memory access.*start the worker again");
}

// Attention of prompts and of single tokens behind them, against the reference.
TEST_F(CudaBackendTest, AttendsAsTheReference) {
  constexpr int64_t kHeads = 8, kKvHeads = 2, kHeadDim = 64, kBlock = 16;
  constexpr int64_t kWidth = (kHeads + 2 * kKvHeads) * kHeadDim;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const auto backend = Open(dtype);
    const auto reference = MakeReferenceBackend();
    KvCacheShape shape{40, kBlock, kKvHeads, kHeadDim};
    const auto expected_cache = *reference->MakeKvCache(shape);
    shape.dtype = dtype;
    const auto cache = *backend->MakeKvCache(shape);
    EXPECT_EQ(cache->bytes(), backend->KvCacheBytes(shape));
    int position[2] = {0, 0};
    for (const std::vector<int>& rows :
         std::vector<std::vector<int>>{{37, 5}, {1, 1}, {90, 1}, {1, 1}, {1, 20}, {1, 1}}) {
      StepLayout layout;
      layout.ropes.resize(1);
      for (int i = 0; i < kHeadDim / 2; ++i) {
        layout.ropes[0].inv_freq.push_back(std::pow(10000.0f, -i / (kHeadDim / 2.0f)));
      }
      for (int s = 0; s < 2; ++s) {
        StepLayout::Slice slice;
        slice.first_row = layout.rows;
        slice.rows = rows[s];
        slice.start_position = position[s];
        slice.first_block = static_cast<int32_t>(layout.block_table.size());
        position[s] += rows[s];
        slice.num_blocks = (position[s] + kBlock - 1) / kBlock;
        for (int b = 0; b < slice.num_blocks; ++b) layout.block_table.push_back(2 * b + s);
        layout.rows += rows[s];
        layout.slices.push_back(slice);
      }
      const std::vector<float> qkv = RandomOf(dtype, layout.rows * kWidth);
      const std::vector<float> poison(layout.rows * kHeads * kHeadDim, kNan);
      const auto run = [&](Backend& b, KvCache* kv, Buffer* in, Buffer* out) {
        AttentionArgs args;
        args.qkv = in;
        args.out = out;
        args.cache = kv;
        args.heads = kHeads;
        args.kv_heads = kKvHeads;
        args.head_dim = kHeadDim;
        args.scale = 1 / std::sqrt(static_cast<float>(kHeadDim));
        EXPECT_TRUE(b.BeginStep(layout).ok());
        const absl::Status status = b.Attention(args);
        EXPECT_TRUE(status.ok()) << status;
        EXPECT_TRUE(b.EndStep().ok());
      };
      const auto out = Activations(*backend, poison);
      run(*backend, cache.get(), Activations(*backend, qkv).get(), out.get());
      const auto expected = Filled(*reference, poison);
      run(*reference, expected_cache.get(), Filled(*reference, qkv).get(), expected.get());
      EXPECT_LE(RelativeError(ReadActivations(*backend, *out), Read(*reference, *expected)),
                dtype == DType::kF32 ? 1e-5 : 1e-2)
          << DTypeName(dtype) << " rows " << rows[0] << " and " << rows[1];
    }
  }
}

TEST_F(CudaBackendTest, ReplaysWhatItRecorded) {
  const auto backend = Open(DType::kBF16);
  MatrixFormat format;
  format.scheme.scheme = Scheme::kNf4;
  format.compute_dtype = DType::kBF16;
  const auto table = PackOrDie(*backend, 50, 64, RandomOf(DType::kBF16, 50 * 64));
  const std::vector<float> values = RandomFloats(64 * 64, 0.05f);
  auto weight = *backend->Pack(SourceInParts(format, {64}, 64, values));
  const auto hidden = *backend->Allocate(2 * 64 * 2);
  const auto out = *backend->Allocate(2 * 64 * 2);
  int calls = 0;
  const auto run = [&](std::vector<int32_t> ids, bool record) {
    StepLayout layout;
    layout.ropes.resize(1);
    layout.rows = 2;
    layout.slices = {{.first_row = 0, .rows = 1}, {.first_row = 1, .rows = 1}};
    layout.token_ids = std::move(ids);
    EXPECT_TRUE(backend->BeginStep(layout).ok());
    const auto enqueue = [&]() -> absl::Status {
      ++calls;
      const absl::Status embedded = backend->Embed(*table, hidden.get());
      if (!embedded.ok()) return embedded;
      LinearArgs args;
      args.x = hidden.get();
      args.weight = weight.get();
      args.out = out.get();
      args.tokens = 2;
      return backend->Linear(args);
    };
    const absl::Status done = record ? backend->Enqueue(&calls, enqueue) : enqueue();
    EXPECT_TRUE(done.ok()) << done;
    EXPECT_TRUE(backend->EndStep().ok());
    return ReadActivations(*backend, *out);
  };
  const std::vector<std::vector<int32_t>> steps = {{3, 4}, {49, 0}, {7, 7}, {1, 2}};
  std::vector<std::vector<float>> expected;
  for (const auto& ids : steps) expected.push_back(run(ids, /*record=*/false));
  calls = 0;
  for (size_t i = 0; i < steps.size(); ++i) ExpectSame(run(steps[i], true), expected[i]);
  EXPECT_EQ(calls, 2) << "once as it is, once to record";
  backend->Forget(&calls);
  ExpectSame(run(steps[0], true), expected[0]);
  EXPECT_EQ(calls, 3);
}

TEST_F(CudaBackendTest, MemoryThatIsNotThereIsAnErrorAndNotTheEnd) {
  const auto backend = Open(DType::kBF16);
  EXPECT_THAT(backend->Allocate(size_t{1} << 50),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("cuda:0")));
  const auto buffer = Filled(*backend, {1, 2, 3});
  EXPECT_THAT(Read(*backend, *buffer), ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace gantry
