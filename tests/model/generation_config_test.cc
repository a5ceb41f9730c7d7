#include "model/checkpoint.h"
#include "tests/model/sample_config.h"
#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ModelConfig WithEos() {
  ModelConfig config = MustParse(SampleConfig());
  config.eos_token_ids = {2};
  return config;
}

TEST(GenerationConfigTest, AbsentFile) {
  TempFolder folder;
  GANTRY_ASSERT_OK_AND_ASSIGN(const GenerationConfig generation,
                              ReadGenerationConfig(folder.path(), WithEos()));
  EXPECT_FALSE(generation.do_sample);
  EXPECT_FALSE(generation.temperature.has_value());
  EXPECT_THAT(generation.eos_token_ids, ElementsAre(2));
}

TEST(GenerationConfigTest, AllFields) {
  TempFolder folder;
  folder.Write("generation_config.json",
               R"({"do_sample":true,"temperature":0.6,"top_k":50,"top_p":0.9,"min_p":0.05,)"
               R"("repetition_penalty":1.05,"eos_token_id":[128001,128009],"pad_token_id":0})");
  GANTRY_ASSERT_OK_AND_ASSIGN(const GenerationConfig generation,
                              ReadGenerationConfig(folder.path(), WithEos()));
  EXPECT_TRUE(generation.do_sample);
  EXPECT_EQ(generation.temperature, 0.6);
  EXPECT_EQ(generation.top_k, 50);
  EXPECT_EQ(generation.top_p, 0.9);
  EXPECT_EQ(generation.min_p, 0.05);
  EXPECT_EQ(generation.repetition_penalty, 1.05);
  EXPECT_THAT(generation.eos_token_ids, ElementsAre(128001, 128009));
}

TEST(GenerationConfigTest, NullMeansAbsent) {
  TempFolder folder;
  folder.Write("generation_config.json",
               R"({"do_sample":null,"temperature":null,"top_k":null,"eos_token_id":null})");
  GANTRY_ASSERT_OK_AND_ASSIGN(const GenerationConfig generation,
                              ReadGenerationConfig(folder.path(), WithEos()));
  EXPECT_FALSE(generation.top_k.has_value());
  EXPECT_THAT(generation.eos_token_ids, ElementsAre(2));
}

TEST(GenerationConfigTest, BadValuesNameTheFileAndTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {"do_sample", "1"},
      {"temperature", "-0.1"},
      {"temperature", "1e300"},
      {"temperature", "\"hot\""},
      {"top_k", "-1"},
      {"top_k", "1.5"},
      {"top_k", "2147483648"},
      {"top_p", "1.01"},
      {"top_p", "-0.5"},
      {"min_p", "2"},
      {"min_p", "[]"},
      {"repetition_penalty", "0"},
      {"repetition_penalty", "-1"},
      {"eos_token_id", "-1"},
      {"eos_token_id", "{}"},
  };
  for (const auto& [field, value] : cases) {
    TempFolder folder;
    folder.Write("generation_config.json", std::string("{\"") + field + "\":" + value + "}");
    EXPECT_THAT(ReadGenerationConfig(folder.path(), WithEos()),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("generation_config.json: "), HasSubstr(field))))
        << field << " " << value;
  }
}

TEST(GenerationConfigTest, MalformedFile) {
  for (const char* text : {"", "{", "[]", "null", "{\"top_k\":1,\"top_k\":2}", "{\"top_p\":NaN}"}) {
    TempFolder folder;
    folder.Write("generation_config.json", text);
    EXPECT_THAT(ReadGenerationConfig(folder.path(), WithEos()),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("generation_config.json")))
        << text;
  }
}

}  // namespace
}  // namespace gantry
