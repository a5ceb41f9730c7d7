#include "kernels/cpu/attention.h"

#include "tests/kernels/kernel_testing.h"
#include "tests/kernels/tolerance.h"

namespace gantry {
namespace {

// One sequence from its first token on.
struct Problem {
  int64_t tokens, heads, kv_heads, head_dim, rotary_dim, window, block_size;
  std::vector<float> qkv = {};

  int64_t width() const { return (heads + 2 * kv_heads) * head_dim; }
  void Fill() { qkv = RandomFloats(tokens * width()); }

  // Runs the tokens in steps of `chunk`, with another sequence in each step.
  std::vector<float> Run(Backend& backend, int64_t chunk) const {
    const int64_t blocks = (tokens + block_size - 1) / block_size;
    KvCacheShape shape{2 * blocks + 1, block_size, kv_heads, head_dim};
    auto cache_or = backend.MakeKvCache(shape);
    EXPECT_TRUE(cache_or.ok()) << cache_or.status();
    // What an earlier sequence left: NaN in every block.
    Poison(backend, cache_or->get(), shape);

    std::vector<float> result;
    for (int64_t first = 0; first < tokens; first += chunk) {
      const int64_t count = std::min(chunk, tokens - first);
      StepLayout layout = Layout(first, count, blocks);
      // Twice the same tokens, as two sequences.
      std::vector<float> input;
      for (int copy = 0; copy < 2; ++copy) {
        input.insert(input.end(), qkv.begin() + first * width(),
                     qkv.begin() + (first + count) * width());
      }
      const auto out = Step(backend, layout, input, cache_or->get(), 0);
      const size_t half = out.size() / 2;
      ExpectSame(std::vector<float>(out.begin() + half, out.end()),
                 std::vector<float>(out.begin(), out.begin() + half));
      result.insert(result.end(), out.begin(), out.begin() + half);
    }
    return result;
  }

 private:
  StepLayout Layout(int64_t first, int64_t count, int64_t blocks) const {
    StepLayout layout;
    layout.rows = 2 * count;
    layout.ropes.push_back(TestRope());
    const int32_t used = (first + count + block_size - 1) / block_size;
    for (int32_t copy = 0; copy < 2; ++copy) {
      StepLayout::Slice slice;
      slice.first_row = copy * count;
      slice.rows = count;
      slice.start_position = first;
      slice.first_block = layout.block_table.size();
      slice.num_blocks = used;
      layout.slices.push_back(slice);
      for (int32_t b = 0; b < used; ++b) layout.block_table.push_back(2 * (blocks - b) - copy);
    }
    return layout;
  }

  StepLayout::Rope TestRope() const {
    StepLayout::Rope rope;
    for (int64_t i = 0; i < rotary_dim / 2; ++i) {
      rope.inv_freq.push_back(std::pow(100.0f, -2.0f * i / rotary_dim));
    }
    rope.scale = 1.25f;
    return rope;
  }

  std::vector<float> Step(Backend& backend, const StepLayout& layout,
                          const std::vector<float>& input, KvCache* cache, float fill) const {
    const auto qkv_buffer = Filled(backend, input);
    const auto out_buffer = Poisoned(backend, layout.rows * heads * head_dim);
    AttentionArgs args;
    args.qkv = qkv_buffer.get();
    args.out = out_buffer.get();
    args.cache = cache;
    args.heads = heads;
    args.kv_heads = kv_heads;
    args.head_dim = head_dim;
    args.scale = 1 / std::sqrt(static_cast<float>(head_dim));
    args.sliding_window = window;
    GANTRY_EXPECT_OK(backend.BeginStep(layout));
    GANTRY_EXPECT_OK(backend.Attention(args));
    GANTRY_EXPECT_OK(backend.EndStep());
    return Read(backend, *out_buffer);
  }

  void Poison(Backend& backend, KvCache* cache, const KvCacheShape& shape) const {
    StepLayout layout;
    layout.rows = shape.num_blocks * shape.block_size;
    layout.ropes.push_back({});
    StepLayout::Slice slice;
    slice.rows = layout.rows;
    slice.num_blocks = shape.num_blocks;
    layout.slices.push_back(slice);
    for (int32_t b = 0; b < shape.num_blocks; ++b) layout.block_table.push_back(b);
    Step(backend, layout, std::vector<float>(layout.rows * width(), kNan), cache, kNan);
  }
};

std::vector<Problem> Problems() {
  return {{1, 1, 1, 32, 32, 0, 16},   {37, 4, 4, 64, 64, 0, 16},   {50, 8, 1, 80, 32, 0, 16},
          {33, 6, 2, 96, 96, 7, 16},  {70, 4, 2, 128, 64, 20, 16}, {40, 3, 1, 16, 16, 1, 4},
          {45, 2, 2, 24, 0, 0, 24},   {90, 14, 2, 64, 64, 33, 32}, {29, 5, 5, 7, 6, 0, 5},
          {130, 16, 1, 64, 64, 0, 16}};
}

class AttentionTest : public ::testing::TestWithParam<std::string> {};

TEST_P(AttentionTest, AgreesWithReference) {
  const auto reference = MakeReferenceBackend();
  const auto cpu = CpuOrDie(GetParam(), 2);
  for (Problem& problem : Problems()) {
    problem.Fill();
    EXPECT_LE(
        RelativeError(problem.Run(*cpu, problem.tokens), problem.Run(*reference, problem.tokens)),
        Tolerance(cpu->name(), Scheme::kFp32))
        << problem.tokens << " tokens, heads of " << problem.head_dim;
  }
}

TEST_P(AttentionTest, ChunksDoNotShow) {
  const auto cpu = CpuOrDie(GetParam(), 2);
  for (Problem& problem : Problems()) {
    problem.Fill();
    const std::vector<float> whole = problem.Run(*cpu, problem.tokens);
    for (int64_t chunk : {1, 3, 16, 31}) ExpectSame(problem.Run(*cpu, chunk), whole);
  }
}

TEST_P(AttentionTest, ThreadsDoNotShow) {
  for (Problem& problem : Problems()) {
    problem.Fill();
    const std::vector<float> one = problem.Run(*CpuOrDie(GetParam(), 1), 20);
    ExpectSame(problem.Run(*CpuOrDie(GetParam(), 2), 20), one);
    ExpectSame(problem.Run(*CpuOrDie(GetParam(), 3), 20), one);
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, AttentionTest, ::testing::ValuesIn(AvailableIsas()),
                         [](const auto& info) { return info.param; });

TEST(AttentionIsaTest, Avx512AndAvx2GiveEqualBits) {
  const auto isas = AvailableIsas();
  if (isas.size() < 3) GTEST_SKIP() << "needs a CPU with AVX-512";
  for (Problem& problem : Problems()) {
    problem.Fill();
    ExpectSame(problem.Run(*CpuOrDie("avx2", 1), 20), problem.Run(*CpuOrDie("avx512", 1), 20));
  }
}

}  // namespace
}  // namespace gantry
