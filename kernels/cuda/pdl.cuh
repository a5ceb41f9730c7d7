#ifndef GANTRY_KERNELS_CUDA_PDL_CUH_
#define GANTRY_KERNELS_CUDA_PDL_CUH_

#include <cuda_runtime.h>

#include <atomic>
#include <cstddef>
#include <utility>

namespace gantry {

// Programmatic dependent launch: a kernel's blocks start while the kernel before it in the stream
// still runs, and wait for it where they need what it wrote. See "Programmatic Dependent Launch" in
// the CUDA C++ Programming Guide.
//
// Rules that every kernel launched by LaunchPdl keeps:
//  - All threads of all blocks call GridDependencyWait once, also those that have nothing to do:
//    otherwise the kernel could end before the one before it, and the one after it start too early.
//  - Before that call it reads only what no kernel of the stream writes (weights), and writes
//    nothing to global memory: what it would overwrite may still be read.

// Returns when the kernels before this one in the stream have ended and what they wrote is visible;
// then lets the next kernel's blocks start where there is room, once all blocks have come so far.
// Not earlier: with a third kernel on the device there would be room for some multiprocessors only,
// and blocks that pile up there make the kernel take twice the time.
__device__ __forceinline__ void GridDependencyWait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Whether the device launches programmatically and `kernel` was compiled for that: code made for an
// older architecture would not wait. Kernels of one signature are compiled for the same.
template <typename Kernel>
bool HasPdl(Kernel* kernel) {
  constexpr int kDevices = 64;
  static std::atomic<signed char> known[kDevices];  // 0: not asked yet, 1: no, 2: yes
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess || device >= kDevices) return false;
  signed char answer = known[device].load(std::memory_order_relaxed);
  if (answer == 0) {
    int major = 0;
    cudaFuncAttributes attributes{};
    const bool yes =
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
        major >= 9 && cudaFuncGetAttributes(&attributes, kernel) == cudaSuccess &&
        attributes.ptxVersion >= 90;
    answer = yes ? 2 : 1;
    known[device].store(answer, std::memory_order_relaxed);
  }
  return answer == 2;
}

// kernel<<<grid, block, shared_bytes, stream>>>(args...), started early where the device can.
// More than 48 KiB of shared memory must have been allowed (cudaFuncSetAttribute).
template <typename... Params, typename... Args>
cudaError_t LaunchPdl(void (*kernel)(Params...), dim3 grid, dim3 block, size_t shared_bytes,
                      cudaStream_t stream, Args&&... args) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  cudaLaunchAttribute attributes[2] = {};
  attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[0].val.programmaticStreamSerializationAllowed = 1;
  // A multiprocessor changes its share of shared memory only when it is idle, so kernels that ask
  // for different shares could not overlap: all ask for the largest.
  attributes[1].id = cudaLaunchAttributePreferredSharedMemoryCarveout;
  attributes[1].val.sharedMemCarveout = cudaSharedmemCarveoutMaxShared;
  config.attrs = attributes;
  config.numAttrs = HasPdl(kernel) ? 2 : 0;
  return cudaLaunchKernelEx(&config, kernel, std::forward<Args>(args)...);
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_PDL_CUH_
