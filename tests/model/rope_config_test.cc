#include "model/config.h"
#include "tests/model/sample_config.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Type = RopeConfig::Type;

// head_dim 8: four frequencies.
Json LongRope() {
  return Json{{"rope_type", "longrope"},
              {"short_factor", {1.0, 1.1, 1.25, 2.0}},
              {"long_factor", {1.5, 4, 10, 32.5}}};
}
Json Llama3() {
  return Json{{"rope_type", "llama3"},
              {"factor", 8.0},
              {"low_freq_factor", 1.0},
              {"high_freq_factor", 4.0},
              {"original_max_position_embeddings", 64}};
}

TEST(RopeConfigTest, BothForms) {
  Json old_form = SampleConfig();
  old_form["rope_theta"] = 500000.0;
  old_form["rope_scaling"] = Json{{"type", "linear"}, {"factor", 2.5}};
  Json new_form = SampleConfig();
  new_form["rope_parameters"] =
      Json{{"rope_type", "linear"}, {"factor", 2.5}, {"rope_theta", 500000.0}};
  for (const Json& json : {old_form, new_form}) {
    const RopeConfig rope = MustParse(json).rope;
    EXPECT_EQ(rope.type, Type::kLinear);
    EXPECT_EQ(rope.factor, 2.5);
    EXPECT_EQ(rope.theta, 500000.0);
  }
}

TEST(RopeConfigTest, NoScaling) {
  Json json = SampleConfig();
  for (const Json& scaling : {Json(nullptr), Json::object(), Json{{"type", "default"}}}) {
    json["rope_scaling"] = scaling;
    EXPECT_EQ(MustParse(json).rope.type, Type::kDefault);
  }
}

TEST(RopeConfigTest, EmptyScalingGivesWayToTheNewForm) {
  Json json = SampleConfig();
  json["rope_scaling"] = Json::object();
  json["rope_parameters"] = Json{{"rope_type", "dynamic"}, {"factor", 2}};
  EXPECT_EQ(MustParse(json).rope.type, Type::kDynamic);
}

TEST(RopeConfigTest, Llama3) {
  Json json = SampleConfig();
  json["rope_scaling"] = Llama3();
  const RopeConfig rope = MustParse(json).rope;
  EXPECT_EQ(rope.type, Type::kLlama3);
  EXPECT_EQ(rope.factor, 8);
  EXPECT_EQ(rope.low_freq_factor, 1);
  EXPECT_EQ(rope.high_freq_factor, 4);
  EXPECT_EQ(rope.original_max_position_embeddings, 64);
}

TEST(RopeConfigTest, LongRopeWithTopLevelOriginalLength) {
  Json json = SampleConfig("Phi3ForCausalLM");
  json["original_max_position_embeddings"] = 64;
  for (const char* name : {"longrope", "su"}) {
    json["rope_scaling"] = LongRope();
    json["rope_scaling"]["rope_type"] = name;
    const RopeConfig rope = MustParse(json).rope;
    EXPECT_EQ(rope.type, Type::kLongRope);
    EXPECT_EQ(rope.original_max_position_embeddings, 64);
    EXPECT_EQ(rope.factor, 4);  // 256 / 64
    EXPECT_THAT(rope.short_factor, ElementsAre(1.0, 1.1, 1.25, 2.0));
    EXPECT_THAT(rope.long_factor, ElementsAre(1.5, 4, 10, 32.5));
    EXPECT_FALSE(rope.attention_factor.has_value());
  }
}

TEST(RopeConfigTest, LongRopeWithItsOwnNumbers) {
  Json json = SampleConfig("Phi3ForCausalLM");
  json["rope_parameters"] = LongRope();
  json["rope_parameters"]["original_max_position_embeddings"] = 128;
  json["rope_parameters"]["factor"] = 3;
  json["rope_parameters"]["attention_factor"] = 1.5;
  const RopeConfig rope = MustParse(json).rope;
  EXPECT_EQ(rope.original_max_position_embeddings, 128);
  EXPECT_EQ(rope.factor, 3);
  EXPECT_EQ(rope.attention_factor, 1.5);
}

TEST(RopeConfigTest, LongRopeOriginalLengthDefaultsForPhi3Only) {
  Json json = SampleConfig("Phi3ForCausalLM");
  json["rope_scaling"] = LongRope();
  EXPECT_EQ(MustParse(json).rope.original_max_position_embeddings, 4096);
  json["architectures"] = {"LlamaForCausalLM"};
  EXPECT_THAT(ParseModelConfig(json, "c"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("rope_scaling.original_max_position_embeddings")));
}

TEST(RopeConfigTest, PartialRotaryFactor) {
  Json json = SampleConfig("Phi3ForCausalLM");
  json["partial_rotary_factor"] = 0.75;
  EXPECT_EQ(MustParse(json).rope.partial_rotary_factor, 0.75);
  json["rope_parameters"] = Json{{"rope_type", "default"}, {"partial_rotary_factor", 0.5}};
  EXPECT_EQ(MustParse(json).rope.partial_rotary_factor, 0.5);
  for (const double factor : {0.0, 0.1, 0.4}) {  // 0, 0 and 3 of 8 elements
    json["rope_parameters"]["partial_rotary_factor"] = factor;
    EXPECT_THAT(ParseModelConfig(json, "c"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("partial_rotary_factor")));
  }
}

TEST(RopeConfigTest, PartialRotationShortensTheFactors) {
  Json json = SampleConfig("Phi3ForCausalLM");
  json["partial_rotary_factor"] = 0.5;
  json["rope_scaling"] = LongRope();
  EXPECT_THAT(ParseModelConfig(json, "c"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("short_factor"), HasSubstr("a list of 2"),
                             HasSubstr("found a list of 4"))));
  json["rope_scaling"]["short_factor"] = {1, 1};
  json["rope_scaling"]["long_factor"] = {2, 3};
  EXPECT_THAT(MustParse(json).rope.long_factor, ElementsAre(2, 3));
}

TEST(RopeConfigTest, UnknownTypesAreRefusedByName) {
  for (const char* name : {"yarn", "ntk", "mrope", ""}) {
    Json json = SampleConfig();
    json["rope_scaling"] = Json{{"rope_type", name}, {"factor", 2}};
    EXPECT_THAT(ParseModelConfig(json, "c"),
                StatusIs(absl::StatusCode::kUnimplemented,
                         AllOf(HasSubstr("rope_scaling.rope_type"), HasSubstr(name))));
  }
  Json json = SampleConfig();
  json["rope_parameters"] = Json{{"full_attention", Json{{"rope_type", "default"}}}};
  EXPECT_THAT(ParseModelConfig(json, "c"), StatusIs(absl::StatusCode::kUnimplemented,
                                                    HasSubstr("rope_parameters.full_attention")));
}

TEST(RopeConfigTest, BadNumbers) {
  struct Case {
    Json scaling;
    const char* field;
    Json value;
  };
  const Json linear{{"type", "linear"}, {"factor", 2}};
  const Json dynamic{{"type", "dynamic"}, {"factor", 2}};
  const Case cases[] = {
      {linear, "factor", nullptr},
      {linear, "factor", 0},
      {linear, "factor", -2},
      {linear, "factor", 1e9},
      {linear, "factor", "2"},
      {linear, "rope_theta", 0},
      {linear, "type", 3},
      {dynamic, "factor", 0.5},
      {Llama3(), "factor", 0},
      {Llama3(), "low_freq_factor", nullptr},
      {Llama3(), "low_freq_factor", 0},
      {Llama3(), "high_freq_factor", 1.0},
      {Llama3(), "high_freq_factor", 0.5},
      {Llama3(), "original_max_position_embeddings", nullptr},
      {Llama3(), "original_max_position_embeddings", 1},
      {LongRope(), "short_factor", nullptr},
      {LongRope(), "short_factor", 1.0},
      {LongRope(), "short_factor", Json{1, 1, 1}},
      {LongRope(), "short_factor", Json{1, 1, 1, 0}},
      {LongRope(), "long_factor", Json{1, 1, 1, -1}},
      {LongRope(), "long_factor", Json{1, 1, 1, "1"}},
      {LongRope(), "long_factor", Json{1, 1, 1, 1, 1}},
      {LongRope(), "attention_factor", 0},
      {LongRope(), "factor", -1},
      {LongRope(), "original_max_position_embeddings", 1},
  };
  for (const Case& bad : cases) {
    Json json = SampleConfig("Phi3ForCausalLM");
    json["rope_scaling"] = bad.scaling;
    json["rope_scaling"][bad.field] = bad.value;
    EXPECT_THAT(ParseModelConfig(json, "c"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(std::string("rope_scaling.") + bad.field)))
        << json["rope_scaling"];
  }
}

}  // namespace
}  // namespace gantry
