#include "worker/step_check.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

StageLimits MakeLimits(StageLimits::Input input) {
  StageLimits limits;
  limits.epoch = 3;
  limits.stage = 1;
  limits.input = input;
  limits.hidden_size = 8;
  limits.vocab_size = 100;
  limits.context = 64;
  limits.max_step_tokens = 10;
  limits.max_step_rows = 4;
  return limits;
}

v1::SequenceSlice MakeSlice(uint64_t sequence, int tokens) {
  v1::SequenceSlice slice;
  slice.set_sequence(sequence);
  for (int i = 0; i < tokens; ++i) slice.add_token_ids(i);
  slice.set_logit_rows(1);
  slice.set_rope_length(static_cast<uint32_t>(tokens));
  slice.set_following_token(-1);
  v1::SequenceParams& params = *slice.mutable_params();
  params.set_top_p(1);
  params.set_repetition_penalty(1);
  params.set_prompt_tokens(1);
  return slice;
}

// Two sequences of two and three tokens, five rows of activations.
StepFrame MakeFrame() {
  StepFrame frame;
  frame.header.set_epoch(3);
  frame.header.set_stage(1);
  *frame.header.add_slices() = MakeSlice(1, 2);
  *frame.header.add_slices() = MakeSlice(2, 3);
  frame.header.set_dtype("F32");
  frame.header.set_rows(5);
  frame.header.set_cols(8);
  std::fill_n(frame.AllocatePayload(5 * 8 * 4), 5 * 8 * 4, 0);
  return frame;
}

TEST(CheckFrameTest, AcceptsWhatEachKindOfStageTakes) {
  GANTRY_EXPECT_OK(CheckFrame(MakeFrame(), MakeLimits(StageLimits::Input::kTokenRows)));
  StepFrame frame = MakeFrame();
  frame.header.set_rows(2);
  std::fill_n(frame.AllocatePayload(2 * 8 * 4), 2 * 8 * 4, 0);
  GANTRY_EXPECT_OK(CheckFrame(frame, MakeLimits(StageLimits::Input::kLogitRows)));
  frame.header.set_rows(0);
  frame.payload.clear();
  GANTRY_EXPECT_OK(CheckFrame(frame, MakeLimits(StageLimits::Input::kTokenIds)));
}

TEST(CheckFrameTest, ThePayloadIsOfTheSendersType) {
  for (const char* dtype : {"BF16", "F16"}) {
    StepFrame frame = MakeFrame();
    frame.header.set_dtype(dtype);
    std::fill_n(frame.AllocatePayload(5 * 8 * 2), 5 * 8 * 2, 0);
    GANTRY_EXPECT_OK(CheckFrame(frame, MakeLimits(StageLimits::Input::kTokenRows)));
    frame.AllocatePayload(5 * 8 * 2 - 1);
    EXPECT_THAT(CheckFrame(frame, MakeLimits(StageLimits::Input::kTokenRows)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("found 79 bytes")));
  }
}

TEST(CheckFrameTest, ThePayloadMayComeInPieces) {
  StepFrame frame = MakeFrame();
  const grpc::Slice whole = frame.payload[0];
  frame.payload = {whole.sub(0, 1), whole.sub(1, 77), whole.sub(77, whole.size())};
  GANTRY_EXPECT_OK(CheckFrame(frame, MakeLimits(StageLimits::Input::kTokenRows)));
}

TEST(CheckFrameTest, SlicesThatHaveFailedHaveNoRows) {
  StepFrame frame = MakeFrame();
  frame.header.mutable_slices(0)->set_error("no");
  EXPECT_THAT(CheckFrame(frame, MakeLimits(StageLimits::Input::kTokenRows)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rows: expected 3")));
  frame.header.set_rows(3);
  std::fill_n(frame.AllocatePayload(3 * 8 * 4), 3 * 8 * 4, 0);
  GANTRY_EXPECT_OK(CheckFrame(frame, MakeLimits(StageLimits::Input::kTokenRows)));
}

struct BadFrame {
  std::string name;
  std::function<void(StepFrame*)> spoil;
  std::string expected;
};

// reliability.md, class A1: activation messages.
class BadFrames : public ::testing::TestWithParam<BadFrame> {};

TEST_P(BadFrames, AreInvalid) {
  StepFrame frame = MakeFrame();
  GetParam().spoil(&frame);
  EXPECT_THAT(CheckFrame(frame, MakeLimits(StageLimits::Input::kTokenRows)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().expected)));
}

INSTANTIATE_TEST_SUITE_P(
    A1, BadFrames,
    ::testing::Values(
        BadFrame{"OldEpoch", [](StepFrame* f) { f->header.set_epoch(2); }, "epoch: expected 3"},
        BadFrame{"NewEpoch", [](StepFrame* f) { f->header.set_epoch(UINT64_MAX); }, "epoch"},
        BadFrame{"OtherStage", [](StepFrame* f) { f->header.set_stage(2); }, "stage: expected 1"},
        BadFrame{"HugeStage", [](StepFrame* f) { f->header.set_stage(UINT32_MAX); }, "stage"},
        BadFrame{"CostsOfMoreStages",
                 [](StepFrame* f) {
                   f->header.add_costs();
                   f->header.add_costs();
                 },
                 "costs: expected at most 1, found 2"},
        BadFrame{"NoDtype", [](StepFrame* f) { f->header.set_dtype(""); }, "dtype"},
        BadFrame{"BytesOfAnotherDtype", [](StepFrame* f) { f->header.set_dtype("BF16"); },
                 "payload of 5 x 8 BF16, found 160 bytes"},
        BadFrame{"HalfTheBytes", [](StepFrame* f) { f->AllocatePayload(5 * 8 * 2); },
                 "payload of 5 x 8 F32, found 80 bytes"},
        BadFrame{"Int8", [](StepFrame* f) { f->header.set_dtype("I8"); },
                 "dtype: expected F32, BF16 or F16, found \"I8\""},
        BadFrame{"Double", [](StepFrame* f) { f->header.set_dtype("F64"); }, "dtype"},
        BadFrame{"TorchsName", [](StepFrame* f) { f->header.set_dtype("bfloat16"); }, "dtype"},
        BadFrame{"UnknownDtype", [](StepFrame* f) { f->header.set_dtype("\xff\xff"); }, "dtype"},
        BadFrame{"LongDtype", [](StepFrame* f) { f->header.set_dtype(std::string(1 << 20, 'F')); },
                 "dtype"},
        BadFrame{"ZeroRows", [](StepFrame* f) { f->header.set_rows(0); }, "rows: expected 5"},
        BadFrame{"MoreRows", [](StepFrame* f) { f->header.set_rows(6); }, "rows: expected 5"},
        BadFrame{"ZeroCols", [](StepFrame* f) { f->header.set_cols(0); }, "cols: expected 8"},
        BadFrame{"ColsNotHidden", [](StepFrame* f) { f->header.set_cols(9); }, "cols"},
        BadFrame{"ProductOverflows",
                 [](StepFrame* f) {
                   f->header.set_rows(UINT32_MAX);
                   f->header.set_cols(UINT32_MAX);
                 },
                 "rows"},
        BadFrame{"ShortPayload", [](StepFrame* f) { f->AllocatePayload(5 * 8 * 4 - 1); },
                 "found 159 bytes"},
        BadFrame{"LongPayload", [](StepFrame* f) { f->AllocatePayload(5 * 8 * 4 + 1); },
                 "found 161 bytes"},
        BadFrame{"NoPayload", [](StepFrame* f) { f->payload.clear(); }, "found 0 bytes"},
        BadFrame{"PayloadWithoutSlices",
                 [](StepFrame* f) {
                   f->header.clear_slices();
                   f->header.set_rows(0);
                 },
                 "expected no payload"},
        BadFrame{"SequenceTwice",
                 [](StepFrame* f) { f->header.mutable_slices(1)->set_sequence(1); },
                 "named by two slices"},
        BadFrame{"TooManyTokens", [](StepFrame* f) { *f->header.add_slices() = MakeSlice(3, 6); },
                 "tokens: expected at most 10, found 11"},
        BadFrame{"TooManySlices",
                 [](StepFrame* f) {
                   for (int i = 0; i < 9; ++i) f->header.add_slices()->set_sequence(10 + i);
                 },
                 "slices: expected at most 10"},
        BadFrame{"TooManyLogitRows",
                 [](StepFrame* f) { f->header.mutable_slices(1)->set_logit_rows(4); },
                 "logit_rows: expected at most 4"},
        BadFrame{"LogitRowsOverflow",
                 [](StepFrame* f) {
                   f->header.mutable_slices(0)->set_logit_rows(UINT32_MAX);
                   f->header.mutable_slices(1)->set_logit_rows(UINT32_MAX);
                 },
                 "logit_rows"}),
    [](const auto& info) { return info.param.name; });

TEST(CheckFrameTest, TheFirstStageTakesNoPayload) {
  StepFrame frame = MakeFrame();
  EXPECT_THAT(CheckFrame(frame, MakeLimits(StageLimits::Input::kTokenIds)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rows: expected 0")));
  frame.header.set_rows(0);
  EXPECT_THAT(CheckFrame(frame, MakeLimits(StageLimits::Input::kTokenIds)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected no payload")));
}

struct BadSlice {
  std::string name;
  std::function<void(v1::SequenceSlice*)> spoil;
  std::string expected;
};

class BadSlices : public ::testing::TestWithParam<BadSlice> {};

TEST_P(BadSlices, AreInvalid) {
  const StageLimits limits = MakeLimits(StageLimits::Input::kTokenRows);
  v1::SequenceSlice slice = MakeSlice(1, 3);
  GANTRY_ASSERT_OK(CheckSlice(slice, limits));
  GetParam().spoil(&slice);
  EXPECT_THAT(CheckSlice(slice, limits),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().expected)));
}

TEST(CheckSliceTest, OnlyAStageThatSamplesTakesATokenBack) {
  StageLimits limits = MakeLimits(StageLimits::Input::kTokenIds);
  v1::SequenceSlice slice = MakeSlice(1, 1);
  slice.set_start(3);
  slice.set_token_ids(0, kSampledToken);
  EXPECT_THAT(CheckSlice(slice, limits),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("token_ids")));
  limits.feeds_back = true;
  GANTRY_EXPECT_OK(CheckSlice(slice, limits));
  slice.set_token_ids(0, -2);
  EXPECT_FALSE(CheckSlice(slice, limits).ok());
  slice.set_token_ids(0, kSampledToken);
  slice.add_token_ids(4);
  EXPECT_FALSE(CheckSlice(slice, limits).ok()) << "among others";
  slice = MakeSlice(1, 1);
  slice.set_token_ids(0, kSampledToken);
  EXPECT_FALSE(CheckSlice(slice, limits).ok()) << "before the first token";
}

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

BadSlice BadParam(const std::string& name, std::function<void(v1::SequenceParams*)> spoil,
                  const std::string& expected) {
  return {name, [spoil](v1::SequenceSlice* s) { spoil(s->mutable_params()); }, expected};
}

void AddBias(int32_t token, float bias, v1::SequenceParams* params) {
  v1::TokenBias* const added = params->add_logit_bias();
  added->set_token_id(token);
  added->set_bias(bias);
}

TEST(CheckSliceTest, TakesMasksAndBiasesOfTheVocabulary) {
  const StageLimits limits = MakeLimits(StageLimits::Input::kTokenRows);
  v1::SequenceSlice slice = MakeSlice(1, 3);
  for (const int32_t id : {0, 7, 99}) AddBias(id, -100, slice.mutable_params());
  slice.set_allowed_tokens(std::string(13, '\xff'));
  GANTRY_EXPECT_OK(CheckSlice(slice, limits));
  for (const int32_t only : {0, 50, 99}) {
    std::string mask(13, 0);
    mask[only / 8] = static_cast<char>(1 << only % 8);
    slice.set_allowed_tokens(mask);
    GANTRY_EXPECT_OK(CheckSlice(slice, limits));
  }
}

INSTANTIATE_TEST_SUITE_P(
    A1, BadSlices,
    ::testing::Values(
        BadSlice{"NoTokens", [](auto* s) { s->clear_token_ids(); }, "token_ids"},
        BadSlice{"NegativeToken", [](auto* s) { s->set_token_ids(1, -1); }, "token_ids"},
        BadSlice{"TokenBeyondVocabulary", [](auto* s) { s->set_token_ids(2, 100); },
                 "[0, 99], found 100"},
        BadSlice{"TokenHuge", [](auto* s) { s->set_token_ids(2, INT32_MAX); }, "token_ids"},
        BadSlice{"BeyondContext", [](auto* s) { s->set_start(62); }, "position of the last token"},
        BadSlice{"StartOverflows", [](auto* s) { s->set_start(UINT32_MAX); }, "position"},
        BadSlice{"NoRope", [](auto* s) { s->set_rope_length(0); }, "rope_length"},
        BadSlice{"HugeRope", [](auto* s) { s->set_rope_length(UINT32_MAX); }, "rope_length"},
        BadSlice{"MoreLogitsThanTokens", [](auto* s) { s->set_logit_rows(4); }, "logit_rows"},
        BadSlice{"FollowingToken", [](auto* s) { s->set_following_token(100); }, "following_token"},
        BadSlice{"FollowingMinusTwo", [](auto* s) { s->set_following_token(-2); }, "following"},
        BadSlice{"PrefixOfAnotherLength",
                 [](auto* s) {
                   s->set_start(2);
                   s->add_prefix_token_ids(1);
                 },
                 "number of prefix_token_ids"},
        BadSlice{"PrefixBeforeTheStart", [](auto* s) { s->add_prefix_token_ids(1); },
                 "number of prefix_token_ids"},
        BadSlice{"PrefixBeyondVocabulary",
                 [](auto* s) {
                   s->set_start(1);
                   s->add_prefix_token_ids(100);
                 },
                 "prefix_token_ids"},
        BadSlice{"PrefixWithoutParams",
                 [](auto* s) {
                   s->set_start(1);
                   s->add_prefix_token_ids(1);
                   s->clear_params();
                 },
                 "params"},
        BadSlice{"NoParams", [](auto* s) { s->clear_params(); }, "params"},
        BadParam(
            "NegativeTemperature", [](auto* p) { p->set_temperature(-1); }, "temperature"),
        BadParam(
            "NaNTemperature", [](auto* p) { p->set_temperature(kNaN); }, "temperature"),
        BadParam(
            "InfiniteTemperature", [](auto* p) { p->set_temperature(kInfinity); }, "temperature"),
        BadParam(
            "NegativeTopK", [](auto* p) { p->set_top_k(-5); }, "top_k"),
        BadParam(
            "ZeroTopP", [](auto* p) { p->set_top_p(0); }, "top_p"),
        BadParam(
            "TopPTwo", [](auto* p) { p->set_top_p(2); }, "top_p"),
        BadParam(
            "NaNTopP", [](auto* p) { p->set_top_p(kNaN); }, "top_p"),
        BadParam(
            "MinPTwo", [](auto* p) { p->set_min_p(2); }, "min_p"),
        BadParam(
            "NaNMinP", [](auto* p) { p->set_min_p(kNaN); }, "min_p"),
        BadParam(
            "ZeroPenalty", [](auto* p) { p->set_repetition_penalty(0); }, "repetition_penalty"),
        BadParam(
            "NaNPenalty", [](auto* p) { p->set_presence_penalty(kNaN); }, "presence_penalty"),
        BadParam(
            "InfinitePenalty", [](auto* p) { p->set_frequency_penalty(-kInfinity); },
            "frequency_penalty"),
        BadParam(
            "TopLogprobs", [](auto* p) { p->set_top_logprobs(21); }, "top_logprobs"),
        BadParam(
            "NegativeTopLogprobs", [](auto* p) { p->set_top_logprobs(-1); }, "top_logprobs"),
        BadParam(
            "NoPrompt", [](auto* p) { p->set_prompt_tokens(0); }, "prompt_tokens"),
        BadParam(
            "HugePrompt", [](auto* p) { p->set_prompt_tokens(UINT32_MAX); }, "prompt_tokens"),
        BadParam(
            "EndToken", [](auto* p) { p->add_end_token_ids(-7); }, "end_token_ids"),
        BadParam(
            "ManyEndTokens",
            [](auto* p) {
              for (int i = 0; i < 5000; ++i) p->add_end_token_ids(1);
            },
            "number of end_token_ids"),
        BadParam(
            "BiasBeyondVocabulary", [](auto* p) { AddBias(100, 1, p); },
            "logit_bias: token_id: expected a number in [0, 99], found 100"),
        BadParam(
            "NegativeBiasToken", [](auto* p) { AddBias(-1, 1, p); }, "logit_bias: token_id"),
        BadParam(
            "BigBias", [](auto* p) { AddBias(1, 101, p); }, "logit_bias: bias"),
        BadParam(
            "NaNBias", [](auto* p) { AddBias(1, kNaN, p); }, "logit_bias: bias"),
        BadParam(
            "BiasTwice",
            [](auto* p) {
              AddBias(5, 1, p);
              AddBias(5, 2, p);
            },
            "logit_bias: token_id: expected more than 5, the one before, found 5"),
        BadParam(
            "ManyBiases",
            [](auto* p) {
              for (int i = 0; i < 1025; ++i) AddBias(i, 1, p);
            },
            "number of logit_bias"),
        BadSlice{"MaskOfAnotherVocabulary",
                 [](auto* s) { s->set_allowed_tokens(std::string(12, '\xff')); },
                 "allowed_tokens: bytes of a vocabulary of 100: expected 13, found 12"},
        BadSlice{"HugeMask", [](auto* s) { s->set_allowed_tokens(std::string(1 << 20, 1)); },
                 "allowed_tokens"},
        BadSlice{"EmptyMask", [](auto* s) { s->set_allowed_tokens(std::string(13, 0)); },
                 "allowed_tokens: expected at least one token"},
        // 100 tokens fill 12 bytes and half of another.
        BadSlice{"MaskBehindTheVocabulary",
                 [](auto* s) { s->set_allowed_tokens(std::string(12, 0) + '\xf0'); },
                 "allowed_tokens: expected at least one token"},
        BadSlice{"MaskOfNoRow",
                 [](auto* s) {
                   s->set_logit_rows(0);
                   s->set_allowed_tokens(std::string(13, 1));
                 },
                 "allowed_tokens: logit_rows: expected 1"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace gantry
