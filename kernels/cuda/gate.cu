#include "kernels/cuda/gate.h"

#include "kernels/cuda/gate.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

constexpr int kThreads = 128;

template <typename In, typename Out, GateActivation kActivation>
__global__ void GateKernel(const In* in, int n, Out* out) {
  GridDependencyLaunch();
  const int first = (blockIdx.y * kThreads + threadIdx.x) * 8;
  GridDependencyWait();
  if (first >= n) return;
  const In* gate = in + static_cast<int64_t>(blockIdx.x) * 2 * n + first;
  out += static_cast<int64_t>(blockIdx.x) * n + first;
  if (n % 8 == 0 && IsAligned16(in) && IsAligned16(out)) {
    float gates[8];
    float ups[8];
    LoadEight(gate, gates);
    LoadEight(gate + n, ups);
#pragma unroll
    for (int i = 0; i < 8; ++i) gates[i] = Activated<kActivation>(gates[i]) * ups[i];
    StoreEight(out, gates);
    return;
  }
  for (int i = 0; i < 8 && first + i < n; ++i) {
    out[i] = FromFloat<Out>(Activated<kActivation>(ToFloat(gate[i])) * ToFloat(gate[n + i]));
  }
}

template <typename In, typename Out>
auto KernelOf(GateActivation activation) {
  if (activation == GateActivation::kSilu) return GateKernel<In, Out, GateActivation::kSilu>;
  if (activation == GateActivation::kGelu) return GateKernel<In, Out, GateActivation::kGelu>;
  return GateKernel<In, Out, GateActivation::kGeluTanh>;
}

}  // namespace

cudaError_t LaunchGate(GateActivation activation, CudaType in_type, const void* in, int rows, int n,
                       CudaType out_type, void* out, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  return DispatchType(in_type, [&](auto source) {
    return DispatchType(out_type, [&](auto target) {
      using In = decltype(source);
      using Out = decltype(target);
      const dim3 blocks(rows, (n + 8 * kThreads - 1) / (8 * kThreads));
      return LaunchPdl(KernelOf<In, Out>(activation), blocks, kThreads, 0, stream,
                       static_cast<const In*>(in), n, static_cast<Out*>(out));
    });
  });
}

}  // namespace gantry
