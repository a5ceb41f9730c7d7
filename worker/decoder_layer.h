#ifndef GANTRY_WORKER_DECODER_LAYER_H_
#define GANTRY_WORKER_DECODER_LAYER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "kernels/backend.h"
#include "model/config.h"
#include "worker/weights.h"
#include "worker/workspace.h"

namespace gantry {

// Takes workspace->hidden[tokens, hidden_size] through one decoder layer, in place. Requires an
// open step of `tokens` rows.
absl::Status RunDecoderLayer(const ModelConfig& config, const ModuleWeights& layer, int64_t tokens,
                             KvCache* cache, Workspace* workspace, Backend* backend);

}  // namespace gantry

#endif  // GANTRY_WORKER_DECODER_LAYER_H_
