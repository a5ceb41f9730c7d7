#include "coordinator/http/sampling_fields.h"

#include <limits>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

constexpr double kMaxFloat = std::numeric_limits<float>::max();
constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();
constexpr int64_t kMinInt64 = std::numeric_limits<int64_t>::min();

struct FloatField {
  const char* name;
  void (v1::Sampling::*set)(float);
};
constexpr FloatField kFloats[] = {
    {"temperature", &v1::Sampling::set_temperature},
    {"top_p", &v1::Sampling::set_top_p},
    {"min_p", &v1::Sampling::set_min_p},
    {"repetition_penalty", &v1::Sampling::set_repetition_penalty},
    {"presence_penalty", &v1::Sampling::set_presence_penalty},
    {"frequency_penalty", &v1::Sampling::set_frequency_penalty},
};

// With the one value, in JSON, that asks for what is done anyway; so do null, what is empty, and
// false unless that value is true.
struct UnsupportedField {
  const char* name;
  const char* harmless;
};
constexpr UnsupportedField kUnsupported[] = {
    {"echo", ""},
    {"suffix", ""},
    {"functions", ""},
    {"function_call", R"("none")"},
    {"parallel_tool_calls", "true"},
    {"audio", ""},
    {"modalities", R"(["text"])"},
    {"prediction", ""},
    {"web_search_options", ""},
    {"use_beam_search", ""},
    {"length_penalty", "1.0"},
    {"stop_token_ids", ""},
    {"bad_words", ""},
    {"allowed_token_ids", ""},
    {"include_stop_str_in_output", ""},
    {"skip_special_tokens", "true"},
    {"prompt_logprobs", ""},
    {"truncate_prompt_tokens", ""},
    {"guided_choice", ""},
    {"guided_grammar", ""},
    {"chat_template", ""},
    {"chat_template_kwargs", ""},
    {"documents", ""},
    {"continue_final_message", ""},
    {"add_generation_prompt", "true"},
};

bool IsHarmless(const Json& value, absl::string_view harmless) {
  if (value == false) return harmless != "true";
  if ((value.is_structured() && value.empty())) return true;
  if (value.is_string() && value.get_ref<const std::string&>().empty()) return true;
  return !harmless.empty() && value == Json::parse(harmless.begin(), harmless.end());
}

absl::Status ReadStop(const Json& json, v1::GenerateRequest* request) {
  const Json* stop = FindMember(json, "stop");
  if (stop == nullptr) return absl::OkStatus();
  if (stop->is_string()) {
    request->add_stop(stop->get<std::string>());
    return absl::OkStatus();
  }
  bool strings = stop->is_array();
  for (size_t i = 0; strings && i < stop->size(); ++i) {
    strings = (*stop)[i].is_string();
    if (strings) request->add_stop((*stop)[i].get<std::string>());
  }
  if (strings) return absl::OkStatus();
  return absl::InvalidArgumentError("stop: expected a string or a list of strings");
}

// {"TOKEN_ID": BIAS}, as OpenAI's.
absl::Status ReadLogitBias(const Json& json, v1::GenerateRequest* request) {
  const Json* biases = FindMember(json, "logit_bias");
  if (biases == nullptr) return absl::OkStatus();
  if (!biases->is_object()) {
    return absl::InvalidArgumentError("logit_bias: expected an object of token ids and biases");
  }
  for (const auto& [id, bias] : biases->items()) {
    int32_t token_id = 0;
    if (!absl::SimpleAtoi(id, &token_id) || !bias.is_number()) {
      return absl::InvalidArgumentError("logit_bias: expected numbers by token id");
    }
    v1::LogitBias* const added = request->add_logit_bias();
    added->set_token_id(token_id);
    added->set_bias(bias.get<float>());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadSamplingFields(const Json& json, v1::GenerateRequest* request) {
  v1::Sampling* const sampling = request->mutable_sampling();
  for (const FloatField& field : kFloats) {
    if (FindMember(json, field.name) == nullptr) continue;
    GANTRY_ASSIGN_OR_RETURN(const double value, GetDouble(json, field.name, -kMaxFloat, kMaxFloat));
    (sampling->*field.set)(static_cast<float>(value));
  }
  if (FindMember(json, "top_k") != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(const int64_t top_k, GetInt(json, "top_k", -1, kMaxInt32));
    sampling->set_top_k(top_k < 0 ? 0 : top_k);  // -1 also means all
  }
  if (FindMember(json, "seed") != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(const int64_t seed, GetInt(json, "seed", kMinInt64, kMaxInt64));
    sampling->set_seed(static_cast<uint64_t>(seed));
  }
  // The former is the older name.
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    if (FindMember(json, name) == nullptr) continue;
    GANTRY_ASSIGN_OR_RETURN(const int64_t tokens, GetInt(json, name, 1, kMaxInt32));
    request->set_max_new_tokens(tokens);
  }
  GANTRY_ASSIGN_OR_RETURN(const int64_t min_tokens, GetIntOr(json, "min_tokens", 0, kMaxInt32, 0));
  request->set_min_new_tokens(min_tokens);
  GANTRY_ASSIGN_OR_RETURN(const bool ignore_eos, GetBoolOr(json, "ignore_eos", false));
  request->set_ignore_eos(ignore_eos);
  GANTRY_RETURN_IF_ERROR(ReadLogitBias(json, request));
  return ReadStop(json, request);
}

absl::Status RefuseUnsupported(const Json& json) {
  for (const UnsupportedField& field : kUnsupported) {
    const Json* value = FindMember(json, field.name);
    if (value == nullptr || IsHarmless(*value, field.harmless)) continue;
    return absl::InvalidArgumentError(absl::StrCat(field.name, ": expected ",
                                                   *field.harmless ? field.harmless : "none",
                                                   ", since this server does not support it"));
  }
  return absl::OkStatus();
}

}  // namespace gantry
