#include "worker/stage.h"

#include <cmath>
#include <limits>
#include <set>

#include "absl/strings/str_join.h"
#include "base/dtype.h"
#include "base/json.h"
#include "gtest/gtest.h"
#include "tests/repository.h"
#include "tests/status_matchers.h"
#include "tests/worker/stage_testing.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

struct ReferenceCase {
  std::vector<int32_t> prompt;
  std::vector<int32_t> greedy;
};

std::string ModelFolder(const std::string& name) {
  return RepositoryPath("tests/testdata/models/" + name);
}

std::vector<ReferenceCase> ReadCases(const std::string& name) {
  const Json json = ReadJsonFile(ModelFolder(name) + "/reference.json").value();
  std::vector<ReferenceCase> cases;
  for (const Json& item : json["cases"]) {
    cases.push_back(
        {item["prompt"].get<std::vector<int32_t>>(), item["greedy"].get<std::vector<int32_t>>()});
  }
  return cases;
}

// One, two and three stages; the last of them also parts the norm from lm_head.
std::vector<std::vector<size_t>> Splits() { return {{}, {2}, {1, 3}, {3, 6}}; }

class ReferenceModel : public ::testing::TestWithParam<std::string> {};

TEST_P(ReferenceModel, GreedyTokensAreTransformers) {
  std::vector<std::vector<int32_t>> prompts;
  std::vector<std::vector<int32_t>> greedy;
  for (const ReferenceCase& item : ReadCases(GetParam())) {
    prompts.push_back(item.prompt);
    greedy.push_back(item.greedy);
  }
  for (const std::vector<size_t>& cuts : Splits()) {
    TestPipeline pipeline(ModelFolder(GetParam()), {.cuts = cuts, .max_step_tokens = 512});
    for (const size_t chunk : {1, 7, 64}) {
      SCOPED_TRACE(testing::Message() << cuts.size() + 1 << " stages, chunks of " << chunk);
      EXPECT_EQ(pipeline.Generate(prompts, chunk, 24), greedy);
    }
    for (size_t i = 0; i < prompts.size(); ++i) {
      EXPECT_EQ(pipeline.Generate({prompts[i]}, 64, 24)[0], greedy[i]) << "alone, prompt " << i;
    }
  }
}

TEST_P(ReferenceModel, GreedyTokensOfTheReferenceBackendAreTransformers) {
  TestPipeline pipeline(ModelFolder(GetParam()), {.backend = "reference", .cuts = {3}});
  const std::vector<ReferenceCase> cases = ReadCases(GetParam());
  EXPECT_EQ(pipeline.Generate({cases[1].prompt, cases[2].prompt}, 16, 24),
            (std::vector<std::vector<int32_t>>{cases[1].greedy, cases[2].greedy}));
}

TEST_P(ReferenceModel, LastLogitsAreWithinTolerance) {
  const std::vector<ReferenceCase> cases = ReadCases(GetParam());
  for (const char* backend : {"reference", "cpu"}) {
    TestPipeline pipeline(ModelFolder(GetParam()), {.backend = backend});
    const size_t vocab = pipeline.config().vocab_size;
    for (size_t i = 0; i < cases.size(); ++i) {
      const std::vector<float> all = pipeline.Observe(cases[i].prompt, 48).at("lm_head");
      const std::vector<float> expected = ReadTensorFile(
          ModelFolder(GetParam()) + "/reference.safetensors", "logits." + std::to_string(i));
      ASSERT_EQ(all.size(), cases[i].prompt.size() * vocab);
      const std::vector<float> last(all.end() - expected.size(), all.end());
      EXPECT_LE(RelativeError(last, expected), 5e-6) << backend << ", prompt " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ReferenceModel,
                         ::testing::Values("llama-tied", "llama-mha-sharded", "phi3",
                                           "mistral-window", "qwen2-bias"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(DemoModelTest, HiddenStatesAndLogitsAreTransformers) {
  const std::string reference = RepositoryPath("tests/testdata/demo/reference.safetensors");
  const std::vector<int32_t> prompt = {317, 380, 316, 13, 994, 296, 347, 389, 415, 263,
                                       414, 495, 972, 2,  13,  315, 383, 316, 13};
  TestPipeline pipeline(RepositoryPath("deploy/demo/model"), {.cuts = {3}});
  const auto left = pipeline.Observe(prompt, prompt.size());
  // transformers lists the embedding first; its last hidden state comes after the final norm.
  EXPECT_EQ(RelativeError(left.at("model.embed_tokens"), ReadTensorFile(reference, "hidden.0")), 0);
  for (int64_t layer = 0; layer + 1 < pipeline.config().num_layers; ++layer) {
    EXPECT_LE(RelativeError(left.at("model.layers." + std::to_string(layer)),
                            ReadTensorFile(reference, "hidden." + std::to_string(layer + 1))),
              5e-6)
        << layer;
  }
  const std::vector<float> expected = ReadTensorFile(reference, "logits.0");
  const std::vector<float>& logits = left.at("lm_head");
  const std::vector<float> last(logits.end() - expected.size(), logits.end());
  EXPECT_LE(RelativeError(last, expected), 5e-6);
}

TEST(StageTest, ALaterNormLeavesTheSameBitsWhereverLmHeadIs) {
  TestPipeline together(TinyConfig(), {});
  TestPipeline apart(TinyConfig(), {.cuts = {4, 5}});  // layers | norm | lm_head
  const std::vector<int32_t> prompt = {5, 9, 11, 40, 41};
  EXPECT_EQ(together.Observe(prompt, 5).at("lm_head"), apart.Observe(prompt, 2).at("lm_head"));
}

TEST(StageTest, EveryModuleMayBeAStage) {
  TestPipeline together(TinyConfig(), {});
  TestPipeline apart(TinyConfig(), {.cuts = {1, 2, 3, 4, 5}});
  const std::vector<std::vector<int32_t>> prompts = {{5, 9, 11}, {1}, {7, 8, 9, 10, 11, 12, 13}};
  EXPECT_EQ(apart.Generate(prompts, 2, 6), together.Generate(prompts, 64, 6));
}

TEST(StageTest, TheBatchDoesNotChangeTheTokens) {
  TestPipeline pipeline(TinyConfig(), {.cuts = {2}});
  std::vector<std::vector<int32_t>> prompts;
  for (int32_t i = 0; i < 8; ++i) prompts.push_back({3 + i, 50 - i, 20, 3 * i});
  const std::vector<std::vector<int32_t>> together = pipeline.Generate(prompts, 3, 10);
  for (size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(pipeline.Generate({prompts[i]}, 64, 10)[0], together[i]);
  }
}

TEST(StageTest, ScoresEachTokenByTheOneThatFollows) {
  TestPipeline pipeline(TinyConfig(), {.cuts = {3}});
  const std::vector<int32_t> tokens = {5, 9, 11, 40};
  const std::vector<float> logits = pipeline.Observe(tokens, 4).at("lm_head");
  auto logprob = [&logits](size_t row, int32_t token) {
    double sum = 0;
    for (size_t i = 0; i < 96; ++i) sum += std::exp(double{logits[row * 96 + i]});
    return logits[row * 96 + token] - std::log(sum);
  };
  v1::SequenceParams params = GreedyParams(4);
  params.set_score(true);
  params.set_top_logprobs(2);
  v1::SequenceSlice first = pipeline.MakeSlice(1, tokens, 0, 3, 3, params);
  first.set_following_token(tokens[3]);
  const v1::StepHeader begun = pipeline.RunStep({first});
  ASSERT_EQ(begun.results_size(), 1);
  ASSERT_EQ(begun.results(0).tokens_size(), 3);
  for (int row = 0; row < 3; ++row) {
    const v1::StepToken& token = begun.results(0).tokens(row);
    EXPECT_EQ(token.token().token_id(), tokens[row + 1]);
    EXPECT_NEAR(token.token().logprob(), logprob(row, tokens[row + 1]), 1e-5);
    ASSERT_EQ(token.top_size(), 2);
    EXPECT_GE(token.top(0).logprob(), token.top(1).logprob());
  }
  // Nothing follows the last token.
  const v1::StepHeader ended = pipeline.RunStep({pipeline.MakeSlice(1, tokens, 3, 1, 1, params)});
  ASSERT_EQ(ended.results_size(), 1);
  EXPECT_EQ(ended.results(0).tokens_size(), 0);
  EXPECT_EQ(ended.results(0).error(), "");
}

TEST(StageTest, TheFinalFrameIsSmall) {
  TestPipeline pipeline(TinyConfig(), {});
  const v1::StepHeader header =
      pipeline.RunStep({pipeline.MakeSlice(9, {1, 2, 3}, 0, 3, 1, GreedyParams(3))});
  EXPECT_EQ(header.stage(), 1);
  EXPECT_EQ(header.slices_size(), 0);
  EXPECT_EQ(header.rows(), 0);
  ASSERT_EQ(header.results_size(), 1);
  EXPECT_EQ(header.results(0).sequence(), 9);
  EXPECT_LE(header.results(0).tokens(0).token().logprob(), 0);
}

TEST(StageTest, AWrongSliceFailsAndTheOthersGoOn) {
  TestPipeline alone(TinyConfig(), {.cuts = {2, 4}});
  const v1::StepHeader expected =
      alone.RunStep({alone.MakeSlice(1, {4, 5, 6}, 0, 3, 1, GreedyParams(3))});

  TestPipeline pipeline(TinyConfig(), {.cuts = {2, 4}});
  v1::SequenceSlice wrong = pipeline.MakeSlice(7, {4, 96}, 0, 2, 1, GreedyParams(2));
  const v1::StepHeader header =
      pipeline.RunStep({wrong, pipeline.MakeSlice(1, {4, 5, 6}, 0, 3, 1, GreedyParams(3))});
  ASSERT_EQ(header.results_size(), 2);
  EXPECT_EQ(header.results(0).SerializeAsString(), expected.results(0).SerializeAsString());
  EXPECT_EQ(header.results(1).sequence(), 7);
  EXPECT_THAT(header.results(1).error(), HasSubstr("stage 0 on worker w0: token_ids"));
}

TEST(StageTest, ASliceThatFailsInALaterStageLeavesItsRowsBehind) {
  TestPipeline pipeline(TinyConfig(), {.cuts = {2}});
  const v1::StepHeader expected =
      pipeline.RunStep({pipeline.MakeSlice(1, {4, 5, 6}, 0, 3, 1, GreedyParams(3))});
  // The second stage alone knows sequence 2 already, so it refuses what the first accepts.
  StepFrame orphan;
  orphan.header.set_epoch(1);
  orphan.header.set_stage(1);
  *orphan.header.add_slices() = pipeline.MakeSlice(2, {8}, 0, 1, 0, GreedyParams(3));
  orphan.header.set_rows(1);
  orphan.header.set_cols(32);
  orphan.header.set_dtype("F32");
  std::fill_n(orphan.AllocatePayload(32 * 4), 32 * 4, 0);
  GANTRY_ASSERT_OK(CheckFrame(orphan, pipeline.stage(1).limits()));
  GANTRY_ASSERT_OK(pipeline.stage(1).Run(&orphan));

  v1::SequenceSlice second = pipeline.MakeSlice(2, {8, 9}, 0, 2, 1, GreedyParams(2));
  second.add_new_blocks(60);
  const v1::StepHeader header =
      pipeline.RunStep({second, pipeline.MakeSlice(3, {4, 5, 6}, 0, 3, 1, GreedyParams(3))});
  ASSERT_EQ(header.results_size(), 2);
  EXPECT_EQ(header.results(0).tokens(0).SerializeAsString(),
            expected.results(0).tokens(0).SerializeAsString());
  EXPECT_THAT(header.results(1).error(), HasSubstr("stage 1 on worker w1: start"));
}

// What a worker sends that computes in another type means the same as its values in this one.
TEST(StageTest, TakesActivationsOfEveryType) {
  for (const DType sent : {DType::kBF16, DType::kF16}) {
    std::vector<std::string> tokens;
    for (const bool narrow : {false, true}) {
      TestPipeline pipeline(TinyConfig(), {.cuts = {2}});
      std::vector<float> logits;
      pipeline.stage(1).set_observer(
          [&logits](const std::string& module, const Buffer& rows, int64_t count, int64_t columns) {
            if (module != "lm_head") return;
            logits.assign(rows.as<float>(), rows.as<float>() + count * columns);
          });
      StepFrame frame;
      frame.header.set_epoch(1);
      *frame.header.add_slices() = pipeline.MakeSlice(1, {4, 5, 6}, 0, 3, 1, GreedyParams(3));
      GANTRY_ASSERT_OK(pipeline.stage(0).Run(&frame));
      EXPECT_EQ(frame.header.dtype(), "F32");
      std::vector<float> values(3 * 32);
      ASSERT_EQ(frame.payload_bytes(), values.size() * sizeof(float));
      std::memcpy(values.data(), frame.payload[0].begin(), frame.payload_bytes());
      RoundFloats(sent, values.size(), values.data());
      const DType dtype = narrow ? sent : DType::kF32;
      frame.header.set_dtype(std::string(DTypeName(dtype)));
      FromFloat(dtype, values.data(), values.size(),
                frame.AllocatePayload(values.size() * DTypeSize(dtype)));
      GANTRY_ASSERT_OK(CheckFrame(frame, pipeline.stage(1).limits()));
      GANTRY_ASSERT_OK(pipeline.stage(1).Run(&frame));
      ASSERT_EQ(logits.size(), 96);
      tokens.push_back(absl::StrJoin(logits, " "));
    }
    EXPECT_EQ(tokens[0], tokens[1]) << DTypeName(sent);
  }
}

// reliability.md B11.
TEST(StageTest, NonFiniteActivationsFailTheSliceByLayerAndWorker) {
  for (const float poison :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    TestPipeline pipeline(TinyConfig(), {.cuts = {2}});
    StepFrame frame;
    frame.header.set_epoch(1);
    *frame.header.add_slices() = pipeline.MakeSlice(1, {4, 5}, 0, 2, 1, GreedyParams(2));
    *frame.header.add_slices() = pipeline.MakeSlice(2, {4, 5}, 0, 2, 1, GreedyParams(2));
    GANTRY_ASSERT_OK(pipeline.stage(0).Run(&frame));
    ASSERT_EQ(frame.payload_bytes(), 4 * 32 * sizeof(float));
    std::string bytes(reinterpret_cast<const char*>(frame.payload[0].begin()),
                      frame.payload_bytes());
    std::memcpy(bytes.data() + 40 * sizeof(float), &poison, sizeof(float));  // row 1
    frame.payload = {grpc::Slice(bytes)};
    GANTRY_ASSERT_OK(CheckFrame(frame, pipeline.stage(1).limits()));
    GANTRY_ASSERT_OK(pipeline.stage(1).Run(&frame));
    ASSERT_EQ(frame.header.results_size(), 2);
    EXPECT_EQ(frame.header.results(0).sequence(), 2);
    EXPECT_EQ(frame.header.results(0).error(), "");
    EXPECT_EQ(frame.header.results(1).sequence(), 1);
    EXPECT_EQ(frame.header.results(1).error(),
              "non-finite activations after model.layers.2 on worker w1");

    // The sequence stays failed; its blocks are as good as new once it is gone.
    const v1::StepHeader later =
        pipeline.RunStep({pipeline.MakeSlice(1, {4, 5, 6}, 2, 1, 1, GreedyParams(2))});
    EXPECT_THAT(later.results(0).error(), HasSubstr("non-finite"));
    pipeline.Release(1);
    pipeline.Release(2);
    const std::vector<int32_t> clean = pipeline.Generate({{4, 5, 6}}, 64, 8)[0];
    EXPECT_EQ(clean, TestPipeline(TinyConfig(), {}).Generate({{4, 5, 6}}, 64, 8)[0]);
  }
}

// The token after a prompt, under a mask unless that is empty.
class FirstToken {
 public:
  explicit FirstToken(std::vector<size_t> cuts = {}) : pipeline_(TinyConfig(), {.cuts = cuts}) {}
  v1::SliceResult Result(const v1::SequenceParams& params, const std::string& mask = "") {
    v1::SequenceSlice slice = pipeline_.MakeSlice(++last_, {4, 5, 6}, 0, 3, 1, params);
    slice.set_allowed_tokens(mask);
    return pipeline_.RunStep({slice}).results(0);
  }
  int32_t operator()(const v1::SequenceParams& params, const std::string& mask = "") {
    const v1::SliceResult result = Result(params, mask);
    EXPECT_EQ(result.error(), "");
    return result.tokens_size() == 0 ? -1 : result.tokens(0).token().token_id();
  }
  std::string Mask(std::initializer_list<int32_t> ids) const {
    std::string mask((pipeline_.config().vocab_size + 7) / 8, 0);
    for (int32_t id : ids) mask[id / 8] |= 1 << id % 8;
    return mask;
  }

 private:
  TestPipeline pipeline_;
  uint64_t last_ = 0;
};

TEST(StageTest, EndTokensAreNotChosenTooEarly) {
  FirstToken first;
  v1::SequenceParams params = GreedyParams(3);
  const int32_t best = first(params);
  params.add_end_token_ids(best);
  params.set_min_new_tokens(1);
  EXPECT_NE(first(params), best);
  params.set_min_new_tokens(0);
  EXPECT_EQ(first(params), best);
}

TEST(StageTest, OnlyAllowedTokensAreChosen) {
  FirstToken first({2});
  v1::SequenceParams params = GreedyParams(3);
  const int32_t best = first(params);
  const int32_t other = best == 9 ? 10 : 9;
  EXPECT_EQ(first(params, first.Mask({other})), other);
  EXPECT_EQ(first(params, first.Mask({best, other})), best);
  params.set_temperature(2);
  for (uint64_t seed = 0; seed < 8; ++seed) {
    params.set_seed(seed);
    EXPECT_EQ(first(params, first.Mask({other})), other);
  }
}

TEST(StageTest, WhatMayOnlyEndEndsBeforeTheLeastTokens) {
  FirstToken first;
  v1::SequenceParams params = GreedyParams(3);
  params.add_end_token_ids(7);
  params.add_end_token_ids(8);
  params.set_min_new_tokens(5);
  EXPECT_EQ(first(params, first.Mask({7})), 7);
  EXPECT_EQ(first(params, first.Mask({7, 40})), 40);
}

TEST(StageTest, BiasesChangeWhatIsChosen) {
  FirstToken first({3});
  v1::SequenceParams params = GreedyParams(3);
  const int32_t best = first(params);
  v1::TokenBias* const bias = params.add_logit_bias();
  bias->set_token_id(best);
  bias->set_bias(-100);
  const int32_t second = first(params);
  EXPECT_NE(second, best);
  const int32_t wanted = second == 20 ? 21 : 20;
  bias->set_token_id(wanted);
  bias->set_bias(100);
  EXPECT_EQ(first(params), wanted);
  EXPECT_EQ(first(params, first.Mask({best})), best) << "the mask comes after the bias";
}

TEST(StageTest, AMaskWithoutATokenFailsItsSlice) {
  FirstToken first;
  EXPECT_THAT(first.Result(GreedyParams(3), first.Mask({})).error(),
              HasSubstr("allowed_tokens: expected at least one token, found none"));
  v1::SequenceParams score = GreedyParams(3);
  score.set_score(true);
  EXPECT_THAT(first.Result(score, first.Mask({1})).error(),
              HasSubstr("allowed_tokens: expected none to score"));
}

TEST(StageTest, PenaltiesKnowThePromptAndWhatWasGenerated) {
  TestPipeline pipeline(TinyConfig(), {.cuts = {3}});
  std::vector<int32_t> tokens = {4, 5, 6};
  v1::SequenceParams params = GreedyParams(3);
  params.set_presence_penalty(100);
  std::set<int32_t> seen;
  for (size_t done = 0; tokens.size() < 15;) {
    const v1::StepHeader header =
        pipeline.RunStep({pipeline.MakeSlice(1, tokens, done, tokens.size() - done, 1, params)});
    done = tokens.size();
    tokens.push_back(header.results(0).tokens(0).token().token_id());
    EXPECT_TRUE(seen.insert(tokens.back()).second) << "generated twice";
  }
}

TEST(StageTest, ReleaseFreesBlocksInEveryStage) {
  TestPipeline pipeline(TinyConfig(), {.cuts = {2, 4}});
  pipeline.RunStep({pipeline.MakeSlice(1, {4, 5, 6}, 0, 3, 0, GreedyParams(3))});
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(pipeline.stage(i).sequences().used_blocks(), 1);
  pipeline.Release(1);
  pipeline.RunStep({});
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(pipeline.stage(i).sequences().used_blocks(), 0);
    EXPECT_EQ(pipeline.stage(i).sequences().size(), 0);
  }
}

TEST(StageTest, ModulesMustFollowEachOther) {
  const ModelConfig config = TinyConfig();
  const std::unique_ptr<Backend> backend = MakeTestBackend("reference");
  const std::vector<ModuleSpec> modules = ListModules(config);
  StageSpec spec;
  spec.config = config;
  spec.shape = {.context = 64, .num_blocks = 4, .max_step_tokens = 8, .max_step_rows = 8};
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Workspace> workspace,
                              Workspace::Create(config, spec.shape, true, backend.get()));
  EXPECT_THAT(Stage::Create(spec, workspace.get(), backend.get()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has no modules")));
  for (const size_t i : {1, 3}) {
    auto weights = std::make_shared<ModuleWeights>();
    weights->spec = modules[i];
    spec.modules.push_back(weights);
  }
  EXPECT_THAT(Stage::Create(spec, workspace.get(), backend.get()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("model.layers.2")));
}

}  // namespace
}  // namespace gantry
