#include <numeric>
#include <vector>

#include "tests/kernels/cuda/attention_world.h"

namespace gantry {
namespace {

using Slice = AttentionWorld::Slice;

class AttentionKernelsTest : public DeviceTest {};

std::vector<Slice> OneRowEach(int sequences) {
  std::vector<Slice> slices;
  for (int i = 0; i < sequences; ++i) slices.push_back({i, 1});
  return slices;
}

// The shapes that take different paths.
std::vector<AttentionCase> Cases() {
  std::vector<AttentionCase> cases;
  const auto add = [&](CudaType type, CudaType kv_type, int heads, int kv_heads, int dim, int block,
                       int window, int half, int architecture = 0) {
    cases.push_back({type, kv_type, heads, kv_heads, dim, block, window, half, architecture});
  };
  constexpr CudaType kF = CudaType::kFloat, kH = CudaType::kHalf, kB = CudaType::kBFloat16;
  add(kB, kB, 8, 2, 128, 16, 0, 64);  // as Llama
  add(kH, kH, 8, 2, 128, 16, 0, 64);
  add(kB, kB, 4, 4, 64, 16, 0, 32);     // no groups
  add(kH, kH, 7, 1, 80, 16, 0, 40);     // a group of seven
  add(kB, kB, 4, 4, 96, 16, 100, 48);   // as Phi-3, windowed
  add(kB, kB, 24, 2, 112, 5, 0, 20);    // more heads than a block takes, odd blocks, half turned
  add(kB, kB, 4, 1, 256, 16, 70, 128);  // as Gemma
  add(kH, kH, 2, 1, 32, 7, 0, 5);       // pairs that are no whole vectors
  add(kB, kB, 3, 1, 40, 16, 33, 0);     // nothing turns
  add(kF, kF, 8, 2, 128, 16, 0, 64);
  add(kF, kF, 7, 1, 80, 5, 50, 40);
  add(kF, kF, 3, 3, 20, 16, 0, 10);  // no whole vectors of elements
  add(kF, kF, 12, 1, 256, 16, 0, 128);
  add(kF, kB, 4, 2, 64, 16, 0, 32);  // a cache of another type
  add(kB, kF, 4, 2, 64, 16, 0, 32);
  add(kB, kH, 4, 2, 96, 16, 20, 48);
  add(kH, kH, 8, 2, 128, 16, 0, 64, 75);  // without tensor cores
  return cases;
}

TEST_F(AttentionKernelsTest, SingleRows) {
  for (const AttentionCase& shape : Cases()) {
    SCOPED_TRACE(testing::Message() << TypeName(shape.type) << ' ' << TypeName(shape.kv_type) << ' '
                                    << shape.heads << '/' << shape.kv_heads << 'x' << shape.head_dim
                                    << " window " << shape.sliding_window);
    // Around the edges of tiles, splits and blocks.
    const std::vector<int> lengths = {0,  1,  15,  16,  62,  63,
                                      64, 65, 127, 128, 300, RandomInt(2, 700)};
    AttentionWorld world(shape, lengths.size(), 1024);
    for (size_t i = 0; i < lengths.size(); ++i) world.Remember(i, lengths[i]);
    for (int step = 0; step < 3; ++step) {
      world.Run(OneRowEach(lengths.size()), world.RandomQkv(lengths.size()));
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(AttentionKernelsTest, LongContexts) {
  for (int window : {0, 4500}) {
    AttentionCase shape;
    shape.kv_heads = 1;
    shape.heads = 4;
    shape.sliding_window = window;
    // More splits than kMostSplits of the least length: splits grow.
    AttentionWorld world(shape, 2, 9000);
    world.Remember(0, RandomInt(4200, 8900));
    world.Remember(1, 4095);
    world.Run(OneRowEach(2), world.RandomQkv(2));
    world.Run({{0, 3}, {1, 1}}, world.RandomQkv(4));
  }
}

TEST_F(AttentionKernelsTest, Prompts) {
  for (const AttentionCase& shape : Cases()) {
    SCOPED_TRACE(testing::Message() << TypeName(shape.type) << ' ' << TypeName(shape.kv_type) << ' '
                                    << shape.heads << '/' << shape.kv_heads << 'x' << shape.head_dim
                                    << " window " << shape.sliding_window);
    AttentionWorld world(shape, 5, 512);
    world.Remember(1, 40);
    world.Remember(3, 63);
    world.Remember(4, 129);
    const std::vector<Slice> slices = {{0, 150}, {1, 1}, {2, 2}, {3, RandomInt(2, 70)}, {4, 1}};
    const int rows = std::accumulate(slices.begin(), slices.end(), 0,
                                     [](int sum, const Slice& slice) { return sum + slice.rows; });
    world.Run(slices, world.RandomQkv(rows));
    world.Run(slices, world.RandomQkv(rows));
    if (HasFatalFailure()) return;
  }
}

// More slices than lanes look for at once.
TEST_F(AttentionKernelsTest, ManyRows) {
  AttentionCase shape;
  AttentionWorld world(shape, 40, 1000);
  std::vector<Slice> slices = {{0, 900}};
  int rows = 900;
  for (int i = 1; i < 40; ++i) {
    slices.push_back({i, RandomInt(1, 4)});
    rows += slices.back().rows;
  }
  world.Run(slices, world.RandomQkv(rows));
}

TEST_F(AttentionKernelsTest, Recorded) {
  for (const AttentionCase& shape : Cases()) {
    AttentionWorld world(shape, 3, 600);
    world.Record();
    world.Remember(0, RandomInt(0, 500));
    world.Run(OneRowEach(3), world.RandomQkv(3));
    world.Run({{0, 1}, {1, 30}, {2, 1}}, world.RandomQkv(32));
    if (HasFailure()) return;
  }
}

TEST_F(AttentionKernelsTest, BitsOfARowDoNotDependOnTheBatch) {
  for (const AttentionCase& shape : Cases()) {
    for (int sequences : {1, 2, 33}) {
      AttentionWorld together(shape, sequences, 600);
      for (int i = 0; i < sequences; ++i) together.Remember(i, RandomInt(0, 500));
      const std::vector<float> qkv = together.RandomQkv(sequences);
      const AttentionWorld::State state = together.Save();
      const std::vector<float> expected = together.Run(OneRowEach(sequences), qkv);
      if (HasFatalFailure()) return;
      const size_t in = qkv.size() / sequences, out = expected.size() / sequences;
      for (int i = 0; i < sequences; i += 5) {
        together.Restore(state);
        const std::vector<float> alone =
            together.Run({{i, 1}}, {qkv.begin() + i * in, qkv.begin() + (i + 1) * in});
        ExpectSame(alone, {expected.begin() + i * out, expected.begin() + (i + 1) * out});
        if (HasFailure()) return;
      }
    }
  }
}

TEST_F(AttentionKernelsTest, DeterministicRowsAreThoseOfDecoding) {
  for (const AttentionCase& shape : Cases()) {
    AttentionWorld world(shape, 2, 400);
    world.Remember(0, RandomInt(0, 200));
    const int rows = RandomInt(65, 100);
    const std::vector<float> qkv = world.RandomQkv(rows + 1);
    const AttentionWorld::State state = world.Save();
    const std::vector<float> whole = world.Run({{0, rows}, {1, 1}}, qkv, /*deterministic=*/true);
    if (HasFatalFailure()) return;
    const size_t in = qkv.size() / (rows + 1), out = whole.size() / (rows + 1);
    world.Restore(state);
    for (int i = 0; i < rows; ++i) {
      const std::vector<float> one =
          world.Run({{0, 1}}, {qkv.begin() + i * in, qkv.begin() + (i + 1) * in});
      ExpectSame(one, {whole.begin() + i * out, whole.begin() + (i + 1) * out});
      if (HasFailure()) return;
    }
  }
}

TEST_F(AttentionKernelsTest, ChunksOfAPromptGiveTheBitsOfTheWhole) {
  for (const AttentionCase& shape : Cases()) {
    AttentionWorld world(shape, 1, 400);
    const int rows = RandomInt(200, 300);
    const std::vector<float> qkv = world.RandomQkv(rows);
    const AttentionWorld::State state = world.Save();
    const std::vector<float> whole = world.Run({{0, rows}}, qkv);
    if (HasFatalFailure()) return;
    const size_t in = qkv.size() / rows, out = whole.size() / rows;
    world.Restore(state);
    for (int first = 0; first < rows;) {
      int count = std::min(RandomInt(2, 90), rows - first);
      if (rows - first - count == 1) ++count;  // a single row is decoded
      const std::vector<float> chunk =
          world.Run({{0, count}}, {qkv.begin() + first * in, qkv.begin() + (first + count) * in});
      ExpectSame(chunk, {whole.begin() + first * out, whole.begin() + (first + count) * out});
      if (HasFailure()) return;
      first += count;
    }
  }
}

TEST_F(AttentionKernelsTest, NanStaysWithItsSequence) {
  AttentionCase shape;
  AttentionWorld world(shape, 3, 200);
  for (int i = 0; i < 3; ++i) world.Remember(i, 100);
  std::vector<float> qkv = world.RandomQkv(3);
  const size_t in = qkv.size() / 3;
  for (size_t i = in; i < 2 * in; ++i) qkv[i] = kNan;
  const std::vector<float> out = world.RunUnchecked(OneRowEach(3), qkv);
  const size_t width = out.size() / 3;
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(std::isnan(out[i]), i / width == 1) << i;
}

TEST_F(AttentionKernelsTest, RefusesWhatItDoesNotHave) {
  CudaAttention attention;
  attention.heads = 4;
  attention.kv_heads = 2;
  attention.head_dim = 64;
  attention.block_size = 16;
  EXPECT_TRUE(SupportsAttention(attention));
  attention.head_dim = 257;
  EXPECT_FALSE(SupportsAttention(attention));
  attention.head_dim = 64;
  attention.kv_heads = 3;
  EXPECT_FALSE(SupportsAttention(attention));
  EXPECT_EQ(LaunchAttention({}, attention, false, nullptr), cudaErrorNotSupported);
}

}  // namespace
}  // namespace gantry
