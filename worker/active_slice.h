#ifndef GANTRY_WORKER_ACTIVE_SLICE_H_
#define GANTRY_WORKER_ACTIVE_SLICE_H_

#include <cstdint>
#include <vector>

#include "proto/stage.pb.h"
#include "worker/sequence_table.h"

namespace gantry {

// A slice of the step that has not failed. Its rows follow each other in the device's buffer.
struct ActiveSlice {
  v1::SequenceSlice* slice = nullptr;
  StageSequence* sequence = nullptr;
  int64_t payload_row = 0;  // of its first row in the payload that came
  int64_t row = 0;          // of its first row in the buffer
  int64_t rows = 0;
};

}  // namespace gantry

#endif  // GANTRY_WORKER_ACTIVE_SLICE_H_
