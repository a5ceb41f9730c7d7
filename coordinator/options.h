#ifndef GANTRY_COORDINATOR_OPTIONS_H_
#define GANTRY_COORDINATOR_OPTIONS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "coordinator/http/http_options.h"
#include "plan/optimal.h"
#include "plan/serving_request.h"
#include "proto/credentials.h"

namespace gantry {

struct CoordinatorOptions {
  std::string model;                      // a folder or a hub name
  std::string model_root;                 // tried first; see model/hub.h
  std::string listen = "127.0.0.1:7070";  // HOST:PORT (port 0: any) or unix:PATH
  std::string advertise;  // HOST:PORT at which workers reach it; the address of `listen` if empty
  int min_workers = 1;    // that must have joined before the model is placed
  // A JSON file; empty: the fastest placement that plan/optimal.h finds, or with `balanced`
  // contiguous layers that take the same share of every worker's memory.
  std::string device_map_file;
  bool balanced = false;
  PlanObjective objective = PlanObjective::kLatency;
  std::vector<std::pair<std::string, uint64_t>> max_memory;  // bytes, by the worker's name
  ServingRequest serving;                                    // how weights are held
  bool dummy = false;                                        // seeded random weights
  uint64_t dummy_seed = 0;
  int64_t context = 0;  // tokens a sequence may have; 0: what the model allows, at most 4096
  int64_t batch = 8;    // sequences of full context that keys and values are kept for, if they fit
  int64_t block_size = 16;          // tokens a block
  int64_t max_step_tokens = 512;    // tokens a step
  int64_t max_sequences = 256;      // that run at once
  int64_t max_queue = 256;          // that wait
  int64_t max_steps_in_flight = 0;  // 0: one more than there are stages
  bool share_prefixes = true;       // see EngineOptions, as the following
  bool share_prefixes_across_clients = false;
  // Prompts may make a step that also continues answers take so many times as long.
  double max_decode_slowdown = 1.6;
  absl::Duration lease = absl::Seconds(5);  // without progress of a worker before it counts as lost
  absl::Duration load_timeout = absl::Hours(1);
  absl::Duration step_timeout = absl::Seconds(60);  // before a step that is not back ends the epoch
  absl::Duration recovery_timeout = absl::Seconds(60);  // for requests whose worker was lost
  absl::Duration resume_timeout = absl::Seconds(60);    // for what has ended and may be asked again
  absl::Duration drain = absl::Seconds(10);             // for running requests when told to stop
  TlsOptions tls;
  HttpOptions http;
};

// A step reads at most this many rows of logits.
inline int64_t MaxStepRows(const CoordinatorOptions& options) {
  return options.max_step_tokens < options.max_sequences ? options.max_step_tokens
                                                         : options.max_sequences;
}

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_OPTIONS_H_
