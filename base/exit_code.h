#ifndef GANTRY_BASE_EXIT_CODE_H_
#define GANTRY_BASE_EXIT_CODE_H_

namespace gantry {

// What every program returns to its caller. After a signal the code is 128 + its number.
enum ExitCode : int {
  kExitDone = 0,
  kExitFailed = 1,
  kExitUsage = 2,          // unknown flag, malformed value
  kExitDoesNotFit = 3,     // planner, and the coordinator at start
  kExitBadCheckpoint = 4,  // missing, malformed or unsupported model files
  kExitUnreachable = 5,    // cannot reach or register
};

}  // namespace gantry

#endif  // GANTRY_BASE_EXIT_CODE_H_
