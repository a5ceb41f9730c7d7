#include "worker/weights.h"

#include <cmath>

#include "gtest/gtest.h"
#include "plan/memory.h"
#include "tests/status_matchers.h"
#include "tests/worker/stage_testing.h"

namespace gantry {
namespace {

absl::Status Ignore(uint64_t) { return absl::OkStatus(); }

TEST(WeightsTest, MeasuredIsNeededAndWithinThePrediction) {
  for (const char* name : {"reference", "cpu"}) {
    const std::unique_ptr<Backend> backend = MakeTestBackend(name);
    const std::unique_ptr<WeightSource> source = MakeDummySource(1);
    for (const ModuleSpec& spec : ListModules(TinyConfig())) {
      uint64_t read = 0;
      WeightMap weights;
      GANTRY_ASSERT_OK_AND_ASSIGN(
          weights[spec.name],
          LoadModule(spec, ModuleFormat(), *source, {}, backend.get(), [&read](uint64_t bytes) {
            read += bytes;
            return absl::OkStatus();
          }));
      EXPECT_EQ(read, SourceBytes(spec, *source)) << spec.name;
      EXPECT_EQ(MeasuredBytes(weights), NeededBytes(spec, ModuleFormat(), *backend)) << spec.name;
      EXPECT_LE(MeasuredBytes(weights), ModuleWeightBytes(spec, {})) << spec.name;
    }
  }
}

TEST(WeightsTest, ATiedHeadIsTheEmbedding) {
  const std::unique_ptr<Backend> backend = MakeTestBackend("cpu");
  const std::unique_ptr<WeightSource> source = MakeDummySource(1);
  const std::vector<ModuleSpec> modules = ListModules(TinyConfig());
  WeightMap weights;
  GANTRY_ASSERT_OK_AND_ASSIGN(
      weights[modules.front().name],
      LoadModule(modules.front(), ModuleFormat(), *source, weights, backend.get(), Ignore));
  const uint64_t before = MeasuredBytes(weights);
  GANTRY_ASSERT_OK_AND_ASSIGN(
      weights[modules.back().name],
      LoadModule(modules.back(), ModuleFormat(), *source, weights, backend.get(), Ignore));
  EXPECT_EQ(weights["lm_head"]->matrix.matrix, weights["model.embed_tokens"]->matrix.matrix);
  EXPECT_EQ(MeasuredBytes(weights), before);
}

TEST(WeightsTest, AnErrorOfTheProgressEndsTheLoading) {
  const std::unique_ptr<Backend> backend = MakeTestBackend("cpu");
  const std::unique_ptr<WeightSource> source = MakeDummySource(1);
  EXPECT_THAT(LoadModule(ListModules(TinyConfig())[1], ModuleFormat(), *source, {}, backend.get(),
                         [](uint64_t) { return absl::CancelledError("enough"); }),
              StatusIs(absl::StatusCode::kCancelled, ::testing::HasSubstr("enough")));
}

TEST(DummySourceTest, ElementsDependOnSeedNameAndIndexAlone) {
  const TensorSpec tensor = {"a.weight", {100, 7}};
  std::vector<float> whole(700);
  GANTRY_ASSERT_OK(MakeDummySource(5)->Read(tensor, 0, 700, whole.data()));
  for (const int64_t piece : {1, 2, 3, 7, 64}) {
    std::vector<float> pieces(700);
    const std::unique_ptr<WeightSource> source = MakeDummySource(5);
    for (int64_t at = 0; at < 700; at += piece) {
      GANTRY_ASSERT_OK(source->Read(tensor, at, std::min<int64_t>(piece, 700 - at), &pieces[at]));
    }
    EXPECT_EQ(pieces, whole) << piece;
  }
  std::vector<float> other(700);
  GANTRY_ASSERT_OK(MakeDummySource(6)->Read(tensor, 0, 700, other.data()));
  EXPECT_NE(other, whole);
  GANTRY_ASSERT_OK(MakeDummySource(5)->Read({"b.weight", {100, 7}}, 0, 700, other.data()));
  EXPECT_NE(other, whole);
}

TEST(DummySourceTest, AreCloseToNormal) {
  constexpr int64_t kCount = 100000;
  std::vector<float> values(kCount);
  for (const auto& [name, mean] :
       {std::pair("model.layers.0.mlp.up_proj.weight", 0.0), std::pair("model.norm.weight", 1.0)}) {
    GANTRY_ASSERT_OK(MakeDummySource(5)->Read({name, {kCount}}, 0, kCount, values.data()));
    double sum = 0;
    double squares = 0;
    for (const float value : values) {
      sum += value;
      squares += (value - mean) * (value - mean);
    }
    EXPECT_NEAR(sum / kCount, mean, 0.0003);
    EXPECT_NEAR(std::sqrt(squares / kCount), 0.02, 0.0003);
  }
}

}  // namespace
}  // namespace gantry
