#ifndef GANTRY_WORKER_OPTIONS_H_
#define GANTRY_WORKER_OPTIONS_H_

#include <cstdint>
#include <string>

#include "proto/credentials.h"

namespace gantry {

struct WorkerOptions {
  // host:port of the coordinator to join.
  std::string coordinator;
  // "cpu", "cuda:N", or "reference": scalar arithmetic, the specification.
  std::string device = "cpu";
  // Unique among the workers; also this device's name in a device map. Empty: host name and process
  // id.
  std::string name;
  // Bytes that weights, keys and values, and activations may take. 0: 90 % of what is available.
  uint64_t memory_bytes = 0;
  // host:port to serve on; port 0 takes a free one.
  std::string listen = "127.0.0.1:0";
  // Host that others reach this worker by. Empty: the one it listens on.
  std::string advertise;
  // Folder with model folders, tried before the path that the coordinator names.
  std::string model_root;
  // Threads that compute. 0: one a core.
  int threads = 0;
  // "avx512", "avx2" or "portable". Empty: the best there is.
  std::string isa;
  TlsOptions tls;
};

}  // namespace gantry

#endif  // GANTRY_WORKER_OPTIONS_H_
