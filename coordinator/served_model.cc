#include "coordinator/served_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "model/hub.h"

namespace gantry {
namespace {

constexpr int64_t kDefaultContext = 4096;
constexpr uint64_t kMaxConfigBytes = 16 << 20;

absl::Status OpenText(const std::string& folder, ServedModel* model) {
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::Load(folder);
  if (absl::IsNotFound(tokenizer.status())) {
    LogWarning(absl::StrCat(tokenizer.status().message(),
                            "; requests must send token ids and get no text"));
    return absl::OkStatus();
  }
  if (!tokenizer.ok()) return tokenizer.status();
  model->tokenizer = *std::move(tokenizer);
  absl::StatusOr<std::unique_ptr<ChatTemplate>> chat = ChatTemplate::Load(folder);
  if (chat.ok()) {
    model->chat_template = *std::move(chat);
  } else {
    LogWarning(absl::StrCat("chat requests are refused: ", chat.status().message()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServedModel>> ServedModel::Open(const CoordinatorOptions& options) {
  auto model = std::make_unique<ServedModel>();
  model->name = options.model;
  GANTRY_ASSIGN_OR_RETURN(const std::string folder,
                          ResolveModel(options.model, options.model_root));
  GANTRY_ASSIGN_OR_RETURN(const std::string config_json,
                          ReadFile(JoinPath(folder, "config.json"), kMaxConfigBytes));
  model->source.set_name(options.model);
  model->source.set_config_json(config_json);
  GANTRY_ASSIGN_OR_RETURN(const Json json, ParseJson(config_json, JoinPath(folder, "config.json")));
  if (options.dummy) {
    model->source.set_dummy(true);
    model->source.set_dummy_seed(options.dummy_seed);
    GANTRY_ASSIGN_OR_RETURN(model->config, ReadModelConfig(folder));
    model->modules = ListModules(model->config);
  } else {
    GANTRY_ASSIGN_OR_RETURN(const std::unique_ptr<Checkpoint> checkpoint, Checkpoint::Open(folder));
    model->config = checkpoint->config();
    model->modules = checkpoint->modules();
    for (const FileFingerprint& file : checkpoint->fingerprint()) {
      v1::FileFingerprint* const out = model->source.add_files();
      out->set_name(file.name);
      out->set_size(file.size);
      out->set_header(file.header);
    }
  }
  GANTRY_ASSIGN_OR_RETURN(model->tree, BuildModelTree(json, JoinPath(folder, "config.json")));
  if (options.context > model->config.max_position_embeddings) {
    return absl::OutOfRangeError(absl::StrCat("--context: the model knows positions up to ",
                                              model->config.max_position_embeddings, ", found ",
                                              options.context));
  }
  GANTRY_ASSIGN_OR_RETURN(model->generation, ReadGenerationConfig(folder, model->config));
  GANTRY_RETURN_IF_ERROR(OpenText(folder, model.get()));
  model->constraints = std::make_unique<ConstraintCompiler>(
      model->tokenizer.get(), model->config.vocab_size, model->generation.eos_token_ids);
  model->context = options.context > 0
                       ? options.context
                       : std::min(model->config.max_position_embeddings, kDefaultContext);
  return model;
}

absl::Status ServedModel::UseServingRequest(const ServingRequest& request) {
  GANTRY_ASSIGN_OR_RETURN(const ServingFormat format, ResolveServingFormat(request, tree, name));
  GANTRY_ASSIGN_OR_RETURN(schemes, MakeModelSchemes(tree, modules, format));
  return absl::OkStatus();
}

RequestContext ServedModel::request_context() const {
  RequestContext context;
  context.vocab_size = config.vocab_size;
  context.context = this->context;
  context.generation = generation;
  context.tokenizer = tokenizer.get();
  context.chat_template = chat_template.get();
  context.constraints = constraints.get();
  return context;
}

}  // namespace gantry
