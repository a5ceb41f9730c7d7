#include "kernels/host_backend.h"

#include <limits>

#include "tests/kernels/kernel_testing.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

// What the reference and the CPU backends promise alike.
class HostBackendTest : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Backend> backend_ =
      GetParam() == "reference" ? MakeReferenceBackend() : CpuOrDie(GetParam(), 2);
};

absl::Status Zeros(int64_t, int64_t, void*) { return absl::OkStatus(); }

TEST_P(HostBackendTest, FormatsThatNobodyHasAreErrors) {
  struct Case {
    MatrixFormat format;
    const char* message;
  };
  const Case cases[] = {
      {{.scheme = {.scheme = Scheme::kNf4, .block_size = 48}}, "found 48"},
      {{.scheme = {.scheme = Scheme::kFp4}, .compute_dtype = DType::kI8}, "found I8"},
      {{.scheme = {.scheme = Scheme::kInt8, .double_quant = true}}, "absmax"},
      {{.scheme = {.scheme = Scheme::kInt8}, .int8_threshold = -1}, "found -1"},
      {{.scheme = {.scheme = Scheme::kInt8}, .int8_threshold = kNan}, "found nan"},
      {{.scheme = {.scheme = Scheme::kBf16, .has_fp16_weight = true}}, "16-bit copy"},
  };
  for (const Case& item : cases) {
    EXPECT_THAT(backend_->Pack(SourceOf(item.format, 4, 4, Zeros)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(item.message)));
  }
}

TEST_P(HostBackendTest, AbsurdSizesAreErrors) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  for (int64_t rows : {int64_t{1} << 40, kMax / 4, kMax - 1, kMax}) {
    for (int64_t cols : {int64_t{1} << 24, kMax}) {
      EXPECT_THAT(backend_->Pack(SourceOf({}, rows, cols, Zeros)),
                  StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("memory")));
    }
    EXPECT_THAT(backend_->MakeKvCache({rows, 16, 8, 1 << 17}),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("memory")));
  }
  for (int64_t bad : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
    EXPECT_THAT(backend_->Pack(SourceOf({}, bad, 4, Zeros)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("shape")));
    EXPECT_THAT(backend_->Pack(SourceOf({}, 4, bad, Zeros)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("shape")));
    EXPECT_THAT(backend_->MakeKvCache({4, bad, 4, 4}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cache")));
  }
  EXPECT_THAT(backend_->MakeKvCache({4, kMax, 4, 4}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("memory")));
  EXPECT_THAT(backend_->MakeKvCache({4, 4, 4, kMax}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("memory")));
  for (size_t bytes : {std::numeric_limits<size_t>::max(), size_t{1} << 60}) {
    EXPECT_THAT(backend_->Allocate(bytes),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("memory")));
  }
}

TEST_P(HostBackendTest, BytesAreAsPredicted) {
  const auto matrix = PackOrDie(*backend_, 33, 7, std::vector<float>(33 * 7));
  EXPECT_EQ(matrix->bytes(), backend_->PackedBytes({}, 33, 7));
  EXPECT_GE(matrix->bytes(), 33u * 7 * 4);
  const KvCacheShape shape{3, 5, 2, 24};
  const auto cache = *backend_->MakeKvCache(shape);
  EXPECT_EQ(cache->bytes(), backend_->KvCacheBytes(shape));
  EXPECT_GE(cache->bytes(), 2u * 3 * 5 * 2 * 24 * 4);
}

TEST_P(HostBackendTest, AFailedReadFailsThePack) {
  const auto read = [](int64_t first, int64_t count, void*) {
    return first + count > 40 ? absl::DataLossError("truncated") : absl::OkStatus();
  };
  EXPECT_THAT(backend_->Pack(SourceOf({}, 64, 4, read)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("truncated")));
}

TEST_P(HostBackendTest, EmbedReturnsTheRowsThatWerePacked) {
  const std::vector<float> values = RandomFloats(70 * 9);
  const auto table = PackOrDie(*backend_, 70, 9, values);
  const std::vector<int32_t> ids = {69, 0, 31, 32, 69};
  const auto out = Poisoned(*backend_, ids.size() * 9);
  GANTRY_ASSERT_OK(EmbedTokens(*backend_, ids, *table, out.get()));
  std::vector<float> expected;
  for (int32_t id : ids) {
    expected.insert(expected.end(), values.begin() + id * 9, values.begin() + (id + 1) * 9);
  }
  ExpectSame(Read(*backend_, *out), expected);
  EXPECT_THAT(EmbedTokens(*backend_, {-1}, *table, out.get()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("id -1")));
}

TEST_P(HostBackendTest, RmsNormIsBitForBitThatOfLinear) {
  const std::vector<float> x = RandomFloats(3 * 45);
  const std::vector<float> weight = RandomFloats(45);
  std::vector<float> identity(45 * 45);
  for (int i = 0; i < 45; ++i) identity[i * 46] = 1;
  const auto x_buffer = Filled(*backend_, x);
  const auto weight_buffer = Filled(*backend_, weight);
  const auto by_itself = Poisoned(*backend_, x.size());
  const auto by_linear = Poisoned(*backend_, x.size());
  const auto matrix = PackOrDie(*backend_, 45, 45, identity);
  GANTRY_ASSERT_OK(backend_->RmsNorm(*x_buffer, *weight_buffer, 1e-6f, 3, 45, by_itself.get()));
  LinearArgs args;
  args.x = x_buffer.get();
  args.norm_weight = weight_buffer.get();
  args.norm_eps = 1e-6f;
  args.weight = matrix.get();
  args.out = by_linear.get();
  args.tokens = 3;
  GANTRY_ASSERT_OK(backend_->Linear(args));
  ExpectSame(Read(*backend_, *by_itself), Read(*backend_, *by_linear));
}

StepLayout OneSlice(int32_t start, int32_t rows, std::vector<int32_t> blocks) {
  StepLayout layout;
  layout.rows = rows;
  layout.ropes.push_back({});
  StepLayout::Slice slice;
  slice.rows = rows;
  slice.start_position = start;
  slice.num_blocks = blocks.size();
  layout.slices.push_back(slice);
  layout.block_table = std::move(blocks);
  return layout;
}

TEST_P(HostBackendTest, MalformedLayoutsAreRefused) {
  const auto refused = [&](auto change) {
    StepLayout layout = OneSlice(0, 4, {0});
    change(layout);
    const absl::Status status = backend_->BeginStep(layout);
    GANTRY_EXPECT_OK(backend_->EndStep());
    return status.code() == absl::StatusCode::kInvalidArgument;
  };
  using L = StepLayout;
  EXPECT_FALSE(refused([](L& layout) {}));
  EXPECT_TRUE(refused([](L& layout) { layout.rows = 5; }));
  EXPECT_TRUE(refused([](L& layout) { layout.rows = -1; }));
  EXPECT_TRUE(refused([](L& layout) { layout.slices[0].first_row = 1; }));
  EXPECT_TRUE(refused([](L& layout) { layout.slices[0].first_row = -1; }));
  EXPECT_TRUE(refused([](L& layout) { layout.slices[0].rows = 0; }));
  EXPECT_TRUE(refused([](L& layout) { layout.slices[0].rows = 1 << 30; }));
  EXPECT_TRUE(refused([](L& layout) { layout.slices[0].start_position = -1; }));
  EXPECT_TRUE(refused([](L& layout) {
    layout.slices[0].start_position = std::numeric_limits<int32_t>::max() - 1;
  }));
  EXPECT_TRUE(refused([](L& layout) { layout.slices[0].first_block = -1; }));
  EXPECT_TRUE(refused([](L& layout) { layout.slices[0].num_blocks = 2; }));
  EXPECT_TRUE(refused([](L& layout) { layout.slices[0].num_blocks = -1; }));
  EXPECT_TRUE(refused([](L& layout) { layout.slices[0].rope = 1; }));
  EXPECT_TRUE(refused([](L& layout) { layout.slices[0].rope = -1; }));
  EXPECT_TRUE(refused([](L& layout) { layout.slices.push_back(layout.slices[0]); }));
}

TEST_P(HostBackendTest, BlocksThatDoNotExistAreRefused) {
  const auto cache = *backend_->MakeKvCache({2, 4, 1, 8});
  const auto qkv = Filled(*backend_, std::vector<float>(3 * 8 * 8));
  const auto out = Poisoned(*backend_, 8 * 8);
  AttentionArgs args;
  args.qkv = qkv.get();
  args.out = out.get();
  args.cache = cache.get();
  args.heads = args.kv_heads = 1;
  args.head_dim = 8;
  args.scale = 1;
  const auto attend = [&](const StepLayout& layout) {
    GANTRY_EXPECT_OK(backend_->BeginStep(layout));
    const absl::Status status = backend_->Attention(args);
    GANTRY_EXPECT_OK(backend_->EndStep());
    return status;
  };
  GANTRY_EXPECT_OK(attend(OneSlice(0, 8, {1, 0})));
  EXPECT_THAT(attend(OneSlice(0, 8, {1, 2})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("block 2")));
  EXPECT_THAT(attend(OneSlice(0, 8, {-1, 0})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("block -1")));
  EXPECT_THAT(attend(OneSlice(4, 5, {0, 1})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("do not hold 9")));
  StepLayout wide = OneSlice(0, 2, {0});
  wide.ropes[0].inv_freq.assign(5, 1.0f);
  EXPECT_THAT(attend(wide), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("turns 10")));
}

TEST_P(HostBackendTest, SamplesEachRowByItsRequest) {
  const auto logits = Filled(*backend_, {0, 5, 1, 9, 2, 3, kNan, 0, 0});
  std::vector<SampleRequest> requests(3);
  requests[1].given_token = 2;
  std::vector<SampleResult> results;
  GANTRY_ASSERT_OK(backend_->Sample(*logits, 3, requests, &results));
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].token.token_id, 1);
  EXPECT_EQ(results[1].token.token_id, 2);
  EXPECT_FALSE(results[2].finite);
  requests[1].given_token = 3;
  EXPECT_THAT(backend_->Sample(*logits, 3, requests, &results),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("given token 3")));
  requests[1].given_token = -1;
  requests[0].top_logprobs = 4;
  EXPECT_THAT(backend_->Sample(*logits, 3, requests, &results),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("top_logprobs 4")));
  requests[0].top_logprobs = 0;
  const uint8_t mask[] = {0b00000101, 0};
  requests[0].allowed = absl::MakeConstSpan(mask, 1);
  GANTRY_ASSERT_OK(backend_->Sample(*logits, 3, requests, &results));
  EXPECT_EQ(results[0].token.token_id, 2);
  requests[0].allowed = mask;
  EXPECT_THAT(
      backend_->Sample(*logits, 3, requests, &results),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("mask of 2 bytes, expected 1")));
}

TEST_P(HostBackendTest, UploadAndDownloadTakeOffsets) {
  const auto buffer = *backend_->Allocate(8);
  GANTRY_ASSERT_OK(backend_->Upload({"abcd", 4}, buffer.get(), 3));
  std::string read(8, '?');
  GANTRY_ASSERT_OK(backend_->Download(*buffer, 0, absl::MakeSpan(read)));
  EXPECT_EQ(read, std::string("\0\0\0abcd\0", 8));
  const auto empty = *backend_->Allocate(0);
  EXPECT_EQ(empty->bytes(), 0u);
}

TEST_P(HostBackendTest, WrongShapesAbort) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto small = *backend_->Allocate(4);
  const auto matrix = PackOrDie(*backend_, 4, 4, std::vector<float>(16));
  LinearArgs args;
  args.x = small.get();
  args.weight = matrix.get();
  args.out = small.get();
  args.tokens = 1;
  EXPECT_DEATH(backend_->Linear(args).IgnoreError(), "too small");
  EXPECT_DEATH(backend_->Upload({"abcdefgh", 8}, small.get(), 0).IgnoreError(), "beyond");
}

std::vector<std::string> AllBackends() {
  std::vector<std::string> backends = AvailableIsas();
  backends.push_back("reference");
  return backends;
}
INSTANTIATE_TEST_SUITE_P(Backend, HostBackendTest, ::testing::ValuesIn(AllBackends()),
                         [](const auto& info) { return info.param; });

TEST(HostMemoryTest, IsAlignedAndZeroed) {
  for (size_t bytes : {size_t{1}, size_t{4095}, size_t{4097}, (size_t{2} << 20) + 1}) {
    auto memory = HostMemory::Allocate(bytes);
    GANTRY_ASSERT_OK(memory);
    EXPECT_EQ(memory->bytes(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory->data()) % 64, 0u);
    const char* data = static_cast<const char*>(memory->data());
    for (size_t i = 0; i < bytes; i += 61) ASSERT_EQ(data[i], 0);
    ASSERT_EQ(data[bytes - 1], 0);
  }
}

}  // namespace
}  // namespace gantry
