#include "kernels/reference/reference_backend.h"

#include "tests/kernels/kernel_testing.h"

namespace gantry {
namespace {

using Epilogue = LinearArgs::Epilogue;
using ::testing::HasSubstr;

std::vector<float> RunLinear(const std::vector<float>& x, int64_t rows, int64_t cols,
                             const std::vector<float>& weight, Epilogue epilogue,
                             std::vector<float> out, const std::vector<float>& norm = {},
                             float eps = 0, const std::vector<float>& bias = {}) {
  const auto backend = MakeReferenceBackend();
  const auto x_buffer = Filled(*backend, x);
  const auto norm_buffer = Filled(*backend, norm);
  const auto bias_buffer = Filled(*backend, bias);
  const auto out_buffer = Filled(*backend, out);
  const auto matrix = PackOrDie(*backend, rows, cols, weight);
  LinearArgs args;
  args.x = x_buffer.get();
  args.norm_weight = norm.empty() ? nullptr : norm_buffer.get();
  args.norm_eps = eps;
  args.bias = bias.empty() ? nullptr : bias_buffer.get();
  args.weight = matrix.get();
  args.epilogue = epilogue;
  args.out = out_buffer.get();
  args.tokens = x.size() / cols;
  GANTRY_EXPECT_OK(backend->Linear(args));
  return Read(*backend, *out_buffer);
}

TEST(ReferenceBackendTest, LinearIsXTimesWTransposed) {
  EXPECT_EQ(RunLinear({1, 2, 3, 4}, 3, 2, {1, 0, 0, 1, 10, 100}, Epilogue::kNone,
                      std::vector<float>(6, kNan)),
            (std::vector<float>{1, 2, 210, 3, 4, 430}));
}

TEST(ReferenceBackendTest, BiasAndResidual) {
  EXPECT_EQ(RunLinear({2}, 2, 1, {1, 10}, Epilogue::kAddTo, {1000, 2000}, {}, 0, {5, 6}),
            (std::vector<float>{1007, 2026}));
}

TEST(ReferenceBackendTest, NormDividesByTheRootMeanSquare) {
  // mean(x^2) = 12.5 and eps 3.5: rsqrt(16) = 0.25.
  EXPECT_EQ(RunLinear({3, 4}, 2, 2, {1, 0, 0, 1}, Epilogue::kNone, {kNan, kNan}, {2, 10}, 3.5f),
            (std::vector<float>{1.5f, 10}));
}

TEST(ReferenceBackendTest, GatesTakeTheFirstHalfOfTheRows) {
  const std::vector<float> weight = {1, 2, 3, 4};  // gate 1, 2; up 3, 4
  const auto silu = RunLinear({1}, 4, 1, weight, Epilogue::kSiluGate, {kNan, kNan});
  EXPECT_NEAR(silu[0], 0.7310586 * 3, 1e-6);
  EXPECT_NEAR(silu[1], 1.7615942 * 4, 1e-6);
  const auto gelu = RunLinear({1}, 4, 1, weight, Epilogue::kGeluGate, {kNan, kNan});
  EXPECT_NEAR(gelu[0], 0.8413447 * 3, 1e-6);
  EXPECT_NEAR(gelu[1], 1.9544997 * 4, 1e-6);
  const auto tanh = RunLinear({1}, 4, 1, weight, Epilogue::kGeluTanhGate, {kNan, kNan});
  EXPECT_NEAR(tanh[0], 0.8411920 * 3, 1e-6);
  EXPECT_NEAR(tanh[1], 1.9545977 * 4, 1e-6);
}

// One head of two dimensions and blocks of one token.
struct TinyAttention {
  std::unique_ptr<Backend> backend = MakeReferenceBackend();
  StepLayout layout;
  std::unique_ptr<KvCache> cache = *backend->MakeKvCache({4, 1, 1, 2});
  int64_t window = 0;

  TinyAttention() {
    layout.ropes.push_back({});
    layout.block_table = {2, 0, 3};
  }
  std::vector<float> Run(int32_t start, const std::vector<float>& qkv) {
    layout.rows = qkv.size() / 6;
    StepLayout::Slice slice;
    slice.rows = layout.rows;
    slice.start_position = start;
    slice.num_blocks = start + layout.rows;
    layout.slices = {slice};
    const auto qkv_buffer = Filled(*backend, qkv);
    const auto out = Poisoned(*backend, layout.rows * 2);
    AttentionArgs args;
    args.qkv = qkv_buffer.get();
    args.out = out.get();
    args.cache = cache.get();
    args.heads = args.kv_heads = 1;
    args.head_dim = 2;
    args.scale = 1;
    args.sliding_window = window;
    GANTRY_EXPECT_OK(backend->BeginStep(layout));
    GANTRY_EXPECT_OK(backend->Attention(args));
    GANTRY_EXPECT_OK(backend->EndStep());
    return Read(*backend, *out);
  }
};

TEST(ReferenceBackendTest, AttentionWeighsValuesBySoftmax) {
  TinyAttention attention;
  const float ln3 = std::log(3.0f);
  // Scores of the second token: 0 and ln 3, so weights 1/4 and 3/4.
  const auto out = attention.Run(0, {0, 0, 0, 0, 4, 8, 1, 0, ln3, 0, 8, 0});
  EXPECT_EQ(out[0], 4);
  EXPECT_EQ(out[1], 8);
  EXPECT_NEAR(out[2], 7, 1e-6);
  EXPECT_NEAR(out[3], 2, 1e-6);
}

TEST(ReferenceBackendTest, AttentionReadsEarlierStepsAndTheWindow) {
  TinyAttention attention;
  attention.Run(0, {0, 0, 0, 0, 3, 0});
  attention.Run(1, {0, 0, 0, 0, 6, 0});
  EXPECT_NEAR(attention.Run(2, {0, 0, 0, 0, 0, 0})[0], 3, 1e-6);
  attention.window = 2;
  EXPECT_NEAR(attention.Run(2, {0, 0, 0, 0, 0, 0})[0], 3, 1e-6);  // (6 + 0) / 2
  attention.window = 1;
  EXPECT_NEAR(attention.Run(2, {0, 0, 0, 0, 5, 0})[0], 5, 1e-6);
}

TEST(ReferenceBackendTest, RotationTurnsByPositionTimesFrequency) {
  TinyAttention attention;
  const float quarter = 1.57079632f;
  attention.layout.ropes[0] = {{quarter}, 2.0f};
  // Position 0: k (1, 0) becomes (2, 0). Position 1: k (1, 0) becomes (0, 2), q (0, 1) (-2, 0):
  // scores -4 and 0.
  const auto out = attention.Run(0, {0, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0});
  EXPECT_NEAR(out[2], std::exp(-4.0) / (1 + std::exp(-4.0)), 1e-6);
}

TEST(ReferenceBackendTest, EmbedGatherAndFinite) {
  const auto backend = MakeReferenceBackend();
  const auto table = PackOrDie(*backend, 3, 2, {0, 1, 10, 11, 20, 21});
  const auto out = Poisoned(*backend, 4);
  GANTRY_ASSERT_OK(EmbedTokens(*backend, {2, 1}, *table, out.get()));
  EXPECT_EQ(Read(*backend, *out), (std::vector<float>{20, 21, 10, 11}));
  EXPECT_THAT(EmbedTokens(*backend, {3}, *table, out.get()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("id 3 is not in [0, 3)")));

  const auto gathered = Poisoned(*backend, 4);
  StepLayout layout = OneSlice(2);
  layout.logit_rows = {1, 1};
  GANTRY_ASSERT_OK(backend->BeginStep(layout));
  GANTRY_ASSERT_OK(backend->GatherLogitRows(*out, 2, gathered.get()));
  EXPECT_EQ(Read(*backend, *gathered), (std::vector<float>{10, 11, 10, 11}));

  GANTRY_ASSERT_OK(backend->NoteNonFinite(*out, 2));
  EXPECT_THAT(*backend->NonFiniteRows(), testing::IsEmpty());
  const auto infinite = Filled(*backend, {1, 2, 3, INFINITY});
  GANTRY_ASSERT_OK(backend->NoteNonFinite(*infinite, 2));
  EXPECT_THAT(*backend->NonFiniteRows(), testing::ElementsAre(1));
  GANTRY_ASSERT_OK(backend->EndStep());
}

TEST(ReferenceBackendTest, RmsNormIsThePrologueOfLinear) {
  const auto backend = MakeReferenceBackend();
  const auto x = Filled(*backend, {3, 4});
  const auto weight = Filled(*backend, {2, 10});
  const auto out = Poisoned(*backend, 2);
  GANTRY_ASSERT_OK(backend->RmsNorm(*x, *weight, 3.5f, 1, 2, out.get()));
  EXPECT_EQ(Read(*backend, *out), (std::vector<float>{1.5f, 10}));
}

}  // namespace
}  // namespace gantry
