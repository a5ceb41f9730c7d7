#include "plan/known_models/known_models.h"

#include <map>
#include <string>

#include "plan/model_tree.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// As the models' pages and papers give them, or their checkpoints' files add up to.
const std::map<std::string, uint64_t>& PublishedParameters() {
  static const auto* const kPublished = new std::map<std::string, uint64_t>{
      {"TinyLlama/TinyLlama-1.1B-Chat-v1.0", 1'100'048'384},
      {"meta-llama/Llama-2-7b-hf", 6'738'415'616},
      {"meta-llama/Llama-2-13b-hf", 13'015'864'320},
      {"meta-llama/Llama-2-70b-hf", 68'976'648'192},
      {"meta-llama/Meta-Llama-3-8B", 8'030'261'248},
      {"meta-llama/Meta-Llama-3-70B", 70'553'706'496},
      {"meta-llama/Llama-3.1-8B", 8'030'261'248},
      {"meta-llama/Llama-3.1-70B", 70'553'706'496},
      {"meta-llama/Llama-3.1-405B", 405'853'388'800},
      {"meta-llama/Llama-3.2-1B", 1'235'814'400},
      {"meta-llama/Llama-3.2-3B", 3'212'749'824},
      {"mistralai/Mistral-7B-v0.1", 7'241'732'096},
      {"mistralai/Mistral-7B-Instruct-v0.2", 7'241'732'096},
      {"mistralai/Mistral-7B-Instruct-v0.3", 7'248'023'552},
      {"mistralai/Mixtral-8x7B-v0.1", 46'702'792'704},
      {"microsoft/Phi-3-mini-4k-instruct", 3'821'079'552},
      {"microsoft/Phi-3-medium-4k-instruct", 13'960'238'080},
      {"Qwen/Qwen2-0.5B", 494'032'768},
      {"Qwen/Qwen2-1.5B", 1'543'714'304},
      {"Qwen/Qwen2-7B", 7'615'616'512},
      {"Qwen/Qwen2-72B", 72'706'203'648},
      {"Qwen/Qwen2.5-0.5B", 494'032'768},
      {"Qwen/Qwen2.5-1.5B", 1'543'714'304},
      {"Qwen/Qwen2.5-3B", 3'085'938'688},
      {"Qwen/Qwen2.5-7B", 7'615'616'512},
      {"Qwen/Qwen2.5-14B", 14'770'033'664},
      {"Qwen/Qwen2.5-32B", 32'763'876'352},
      {"Qwen/Qwen2.5-72B", 72'706'203'648},
      {"google/gemma-2-2b", 2'614'341'888},
      {"google/gemma-2-9b", 9'241'705'984},
      {"google/gemma-2-27b", 27'227'128'320},
      {"google/flan-t5-base", 247'577'856},
      {"google/flan-t5-large", 783'150'080},
      {"google/flan-t5-xl", 2'849'757'184},
      {"google/flan-t5-xxl", 11'135'332'352},
      {"bigscience/bloom", 176'247'271'424},
  };
  return *kPublished;
}

TEST(KnownModelsTest, ParameterCountsAreThePublishedOnes) {
  size_t found = 0;
  for (const KnownModel& model : KnownModels()) {
    GANTRY_ASSERT_OK_AND_ASSIGN(const ModelTree tree, BuildModelTree(model.config, model.name));
    const auto published = PublishedParameters().find(model.name);
    if (published != PublishedParameters().end()) {
      EXPECT_EQ(tree.parameters, published->second) << model.name;
      ++found;
    } else {
      // The paper says 175 thousand million, rounded.
      EXPECT_EQ(model.name, "facebook/opt-175b");
      EXPECT_NEAR(static_cast<double>(tree.parameters), 175e9, 0.5e9);
    }
  }
  EXPECT_EQ(found, PublishedParameters().size());
  EXPECT_EQ(KnownModels().size(), found + 1);
}

TEST(KnownModelsTest, FoundWithOrWithoutOrganisation) {
  for (const char* name : {"meta-llama/Llama-2-7b-hf", "Llama-2-7b-hf", "llama-2-7B-HF"}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(const KnownModel* model, FindKnownModel(name));
    EXPECT_EQ(model->name, "meta-llama/Llama-2-7b-hf");
  }
}

TEST(KnownModelsTest, AnUnknownNameIsAnsweredWithThoseLikeIt) {
  EXPECT_THAT(FindKnownModel("llama-2-8b"),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("\"llama-2-8b\""), HasSubstr("meta-llama/Llama-2-7b-hf"))));
  EXPECT_THAT(FindKnownModel("someone/Llama-2-7b-hf"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("meta-llama/Llama-2-7b-hf")));
  EXPECT_THAT(FindKnownModel(""), StatusIs(absl::StatusCode::kNotFound, HasSubstr("TinyLlama")));
}

}  // namespace
}  // namespace gantry
