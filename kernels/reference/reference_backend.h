#ifndef GANTRY_KERNELS_REFERENCE_REFERENCE_BACKEND_H_
#define GANTRY_KERNELS_REFERENCE_REFERENCE_BACKEND_H_

#include <memory>

#include "kernels/backend.h"

namespace gantry {

// The specification in code: fp32 in and out, every sum in double, one scalar at a time. The other
// backends are tested against it.
std::unique_ptr<Backend> MakeReferenceBackend();

}  // namespace gantry

#endif  // GANTRY_KERNELS_REFERENCE_REFERENCE_BACKEND_H_
