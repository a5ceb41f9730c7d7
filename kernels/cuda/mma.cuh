#ifndef GANTRY_KERNELS_CUDA_MMA_CUH_
#define GANTRY_KERNELS_CUDA_MMA_CUH_

#include <cstdint>

#include "kernels/cuda/numbers.cuh"

namespace gantry {

// Warp-wide matrix instructions of compute capability 8.0 and later, as the PTX ISA names them.
// With r = lane / 4 and c = lane % 4, a lane holds
//   of A [16, 16]: rows r, r + 8, r, r + 8, columns 2c.. and, in the last two words, 2c + 8..
//   of B [16, 8]:  column r, rows 2c.. and 2c + 8..
//   of C [16, 8]:  row r, columns 2c and 2c + 1, then row r + 8.
// Kernels that use them are not launched on older devices, for which they compile to nothing.

// C += A B, accumulating in fp32.
template <typename T>
__device__ __forceinline__ void Mma16x8x16(float (&c)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                           uint32_t a3, uint32_t b0, uint32_t b1);
template <>
__device__ __forceinline__ void Mma16x8x16<Half>(float (&c)[4], uint32_t a0, uint32_t a1,
                                                 uint32_t a2, uint32_t a3, uint32_t b0,
                                                 uint32_t b1) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
#endif
}
template <>
__device__ __forceinline__ void Mma16x8x16<BFloat16>(float (&c)[4], uint32_t a0, uint32_t a1,
                                                     uint32_t a2, uint32_t a3, uint32_t b0,
                                                     uint32_t b1) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
      "{%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
#endif
}

// C [16, 8] += A [16, 32] B [32, 8] in integers, four to a word: rows r, r + 8, r, r + 8 of A,
// columns 4c.. and, in the last two words, 4c + 16..; column r of B, rows 4c.. and 4c + 16...
__device__ __forceinline__ void MmaInt8(int (&c)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                        uint32_t a3, uint32_t b0, uint32_t b1) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
      "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
#endif
}

// Transposes an 8x8 matrix of 16-bit elements of which lane (r, c) holds row r, columns 2c and
// 2c + 1.
__device__ __forceinline__ uint32_t TransposeEight(uint32_t word) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint32_t out;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(out) : "r"(word));
  return out;
#else
  return word;
#endif
}

// Four 8x8 matrices of 16-bit elements from shared memory; lane i names row i % 8 of matrix i / 8.
__device__ __forceinline__ void LoadMatrices(const void* row, uint32_t (&out)[4]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(address)
               : "memory");
#endif
}
__device__ __forceinline__ void LoadMatricesTransposed(const void* row, uint32_t (&out)[4]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(address)
               : "memory");
#endif
}

// Sixteen bytes from global to shared memory without registers; zeros unless `valid`.
__device__ __forceinline__ void CopyAsync16(void* to, const void* from, bool valid) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from),
               "r"(valid ? 16 : 0)
               : "memory");
#endif
}
__device__ __forceinline__ void CommitAsync() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Waits until at most kPending groups are on their way.
template <int kPending>
__device__ __forceinline__ void WaitAsync() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_MMA_CUH_
