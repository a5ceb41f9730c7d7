#ifndef GANTRY_COORDINATOR_SERVED_MODEL_H_
#define GANTRY_COORDINATOR_SERVED_MODEL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/constraint_compiler.h"
#include "coordinator/options.h"
#include "coordinator/request.h"
#include "model/checkpoint.h"
#include "model/text/chat_template.h"
#include "model/text/tokenizer.h"
#include "plan/model_tree.h"
#include "plan/module_schemes.h"
#include "plan/serving_request.h"
#include "proto/stage.pb.h"

namespace gantry {

// What the coordinator knows of the model: everything but the weights. Immutable once open.
struct ServedModel {
  std::string name;  // as given
  ModelConfig config;
  std::vector<ModuleSpec> modules;
  ModelTree tree;        // for the planner
  ModelSchemes schemes;  // how each kind of worker holds it
  GenerationConfig generation;
  int64_t context = 0;                          // tokens a sequence may have
  std::unique_ptr<Tokenizer> tokenizer;         // null: the folder has none
  std::unique_ptr<ChatTemplate> chat_template;  // null: none, or one that does not parse
  std::unique_ptr<ConstraintCompiler> constraints;
  v1::ModelSource source;  // what workers are told to load

  // Errors name the file; OUT_OF_RANGE for a context longer than the model's. A model without a
  // tokenizer takes token ids alone.
  static absl::StatusOr<std::unique_ptr<ServedModel>> Open(const CoordinatorOptions& options);

  // Fills `schemes`. INVALID_ARGUMENT names the flag; other errors lie in the checkpoint.
  absl::Status UseServingRequest(const ServingRequest& request);

  RequestContext request_context() const;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_SERVED_MODEL_H_
