#ifndef GANTRY_TESTS_MODEL_SAMPLE_CONFIG_H_
#define GANTRY_TESTS_MODEL_SAMPLE_CONFIG_H_

#include <string>

#include "base/json.h"
#include "model/config.h"
#include "tests/status_matchers.h"

namespace gantry {

// A small config.json of the old form that parses for every supported architecture.
inline Json SampleConfig(const std::string& architecture = "LlamaForCausalLM") {
  return Json{{"architectures", {architecture}},
              {"vocab_size", 64},
              {"hidden_size", 32},
              {"intermediate_size", 48},
              {"num_hidden_layers", 3},
              {"num_attention_heads", 4},
              {"num_key_value_heads", 2},
              {"max_position_embeddings", 256},
              {"rms_norm_eps", 1e-5},
              {"hidden_act", "silu"}};
}

// Parses by way of text, as files are, because numbers built in C++ differ from read ones in sign.
inline ModelConfig MustParse(const Json& json) {
  absl::StatusOr<ModelConfig> config = ParseModelConfig(Json::parse(json.dump()), "config.json");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *std::move(config) : ModelConfig();
}

}  // namespace gantry

#endif  // GANTRY_TESTS_MODEL_SAMPLE_CONFIG_H_
