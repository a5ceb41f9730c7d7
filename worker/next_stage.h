#ifndef GANTRY_WORKER_NEXT_STAGE_H_
#define GANTRY_WORKER_NEXT_STAGE_H_

#include "proto/step_frame.h"

namespace gantry {

// Where a stage's frames go. Frames arrive in the order in which they were sent.
class NextStage {
 public:
  virtual ~NextStage() = default;
  // Takes the frame and returns at once. What cannot be delivered is lost, and the link's owner
  // learns of it by other means.
  virtual void Send(StepFrame frame) = 0;
  // Nothing is sent after it, and no breakage reported. Waits for the link's threads.
  virtual void Close() = 0;
};

}  // namespace gantry

#endif  // GANTRY_WORKER_NEXT_STAGE_H_
