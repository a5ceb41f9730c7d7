#ifndef GANTRY_KERNELS_CUDA_WARP_RING_CUH_
#define GANTRY_KERNELS_CUDA_WARP_RING_CUH_

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/loads.cuh"

namespace gantry {

// Pieces of weights on their way from memory to one warp: kSlots pieces of at most kBytes in shared
// memory, filled and emptied in turn. From compute capability 9.0 on one lane asks the copy engine
// for a whole piece; before that every lane copies its share.
template <int kSlots, int kBytes>
class WarpRing {
 public:
  static_assert(kBytes % 16 == 0, "the copies move 16 bytes");
  static constexpr int kSharedBytes = kSlots * kBytes;
  static constexpr int kBarrierBytes = kSlots * 8;

  // `slots`: kSharedBytes of shared memory at a multiple of 16; `barriers`: kBarrierBytes at a
  // multiple of 8.
  __device__ WarpRing(void* slots, void* barriers)
      : lane_(threadIdx.x % 32), slots_(SharedAddress(slots)), barriers_(SharedAddress(barriers)) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    if (lane_ == 0) {
#pragma unroll
      for (int i = 0; i < kSlots; ++i) {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(barriers_ + 8 * i));
      }
      asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncwarp();
#endif
  }

  // Asks for the next piece of `bytes`, a multiple of 16, or for none to keep the count; at most
  // kSlots may be on their way. The warp must have read what the slot held before.
  __device__ __forceinline__ void Fill(const void* from, int bytes) {
    const uint32_t to = slots_ + fill_ * kBytes;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    if (bytes > 0 && IsElected()) {
      const uint32_t barrier = barriers_ + 8 * fill_;
      asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier),
                   "r"(bytes)
                   : "memory");
      asm volatile(
          "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, "
          "[%3];" ::"r"(to),
          "l"(from), "r"(bytes), "r"(barrier)
          : "memory");
    }
#elif !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    for (int at = lane_ * 16; at < bytes; at += 512) {
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to + at),
                   "l"(static_cast<const char*>(from) + at));
    }
    asm volatile("cp.async.commit_group;");
#endif
    if (++fill_ == kSlots) fill_ = 0;
  }

  // The shared address of the oldest piece, once it is there.
  __device__ __forceinline__ uint32_t Wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    const uint32_t barrier = barriers_ + 8 * read_;
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@!done bra again;\n"
        "}\n" ::"r"(barrier),
        "r"(phase_)
        : "memory");
#elif !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(kSlots - 2) : "memory");
    __syncwarp();
#endif
    return slots_ + read_ * kBytes;
  }
  // Ends the use of the piece that Wait returned.
  __device__ __forceinline__ void Next() {
    if (++read_ == kSlots) {
      read_ = 0;
      phase_ ^= 1;
    }
  }

 private:
  // True in one lane, as the copy engine's instruction wants to be told: with a lane of our choice
  // the compiler makes a loop over all that might ask.
  __device__ __forceinline__ static bool IsElected() {
    uint32_t elected = 0;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "elect.sync _|p, 0xffffffff;\n"
        "selp.b32 %0, 1, 0, p;\n"
        "}\n"
        : "=r"(elected));
#endif
    return elected != 0;
  }

  const int lane_;
  const uint32_t slots_;
  const uint32_t barriers_;
  int fill_ = 0;
  int read_ = 0;
  uint32_t phase_ = 0;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_WARP_RING_CUH_
