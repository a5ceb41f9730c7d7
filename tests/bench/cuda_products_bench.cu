// Products with quantised weights on a GPU: time beside the bytes that must be read, in the shapes
// of real models. usage: cuda_products_bench [--quick]
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "kernels/cuda/four_bit.h"
#include "kernels/cuda/four_bit_codes.cuh"
#include "kernels/cuda/int8.h"

namespace gantry {
namespace {

// More than the second cache holds.
constexpr size_t kRotatedBytes = size_t{400} << 20;
constexpr int kRuns = 9;

void Check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

template <typename T>
T* Allocate(size_t count) {
  T* p = nullptr;
  Check(cudaMalloc(&p, count * sizeof(T)), "cudaMalloc");
  return p;
}

__device__ uint32_t Hash(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return (uint32_t)(x >> 32);
}
__global__ void RandomBytes(uint8_t* out, size_t count, uint64_t seed) {
  const size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
  if (i < count) out[i] = (uint8_t)Hash(i * 0x9e3779b97f4a7c15 + seed);
}
__global__ void RandomFloats(float* out, size_t count, float low, float high, uint64_t seed) {
  const size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
  if (i < count) out[i] = low + (high - low) * (Hash(i * 0x9e3779b97f4a7c15 + seed) * 0x1p-32f);
}
__global__ void ToBFloat16(const float* from, __nv_bfloat16* to, size_t count) {
  const size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
  if (i < count) to[i] = __float2bfloat16(from[i]);
}
__global__ void Expected(const uint8_t* codes, const float* absmax, const __nv_bfloat16* x,
                         double* out, int rows, int cols) {
  const int row = blockIdx.x, token = blockIdx.y;
  double sum = 0;
  for (int k = threadIdx.x; k < cols; k += 32) {
    const size_t at = (size_t)row * cols + k;
    const int code = codes[at / 2] >> (at % 2 == 0 ? 4 : 0) & 15;
    sum += (double)FourBitCode(false, code) * absmax[at / 64] *
           __bfloat162float(x[(size_t)token * cols + k]);
  }
  for (int i = 16; i > 0; i /= 2) sum += __shfl_down_sync(~0u, sum, i);
  if (threadIdx.x == 0) out[(size_t)token * rows + row] = sum;
}
__global__ void ReadAll(const uint4* from, size_t count, uint4* out) {
  uint4 sum = make_uint4(0, 0, 0, 0);
  for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count;
       i += (size_t)gridDim.x * blockDim.x) {
    const uint4 v = from[i];
    sum.x ^= v.x, sum.y ^= v.y, sum.z ^= v.z, sum.w ^= v.w;
  }
  if (sum.x == 0x12345678) *out = sum;
}
dim3 GridFor(size_t count) { return dim3((unsigned)((count + 255) / 256)); }

// Median seconds of a launch, `copies` launches recorded in one graph.
double MedianSeconds(cudaStream_t stream, int copies, const std::function<void(int)>& launch) {
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  Check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
  for (int i = 0; i < copies; ++i) launch(i);
  Check(cudaStreamEndCapture(stream, &graph), "capture");
  Check(cudaGraphInstantiate(&exec, graph, 0), "instantiate");
  cudaEvent_t begin, end;
  cudaEventCreate(&begin);
  cudaEventCreate(&end);
  std::vector<double> seconds;
  for (int i = 0; i < kRuns + 2; ++i) {
    cudaEventRecord(begin, stream);
    Check(cudaGraphLaunch(exec, stream), "launch");
    cudaEventRecord(end, stream);
    Check(cudaStreamSynchronize(stream), "run");
    float ms = 0;
    cudaEventElapsedTime(&ms, begin, end);
    if (i >= 2) seconds.push_back(ms * 1e-3 / copies);
  }
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

double ReadBandwidth(cudaStream_t stream) {
  const size_t bytes = size_t{4} << 30;
  uint4* p = Allocate<uint4>(bytes / 16);
  Check(cudaMemset(p, 1, bytes), "memset");
  double best = 0;
  for (int per_sm : {8, 16, 32}) {
    const double s = MedianSeconds(
        stream, 1, [&](int) { ReadAll<<<132 * per_sm, 512, 0, stream>>>(p, bytes / 16, p); });
    best = std::max(best, bytes / s);
  }
  cudaFree(p);
  return best;
}

struct Shape {
  int rows, cols;
  bool gated;
};

struct Data {
  uint8_t* codes;
  float* absmax;
  std::vector<FourBitWeights> copies;
  __nv_bfloat16* x;
  __nv_bfloat16* out;
  float* norm;
};

Data Make(const Shape& shape, int tokens, cudaStream_t stream) {
  Data d;
  const size_t count = (size_t)shape.rows * shape.cols;
  d.codes = Allocate<uint8_t>(count / 2);
  d.absmax = Allocate<float>(count / 64);
  RandomBytes<<<GridFor(count / 2), 256, 0, stream>>>(d.codes, count / 2, 11);
  RandomFloats<<<GridFor(count / 64), 256, 0, stream>>>(d.absmax, count / 64, 0.01f, 0.06f, 5);
  const int copies = std::max<int>(4, kRotatedBytes / (count / 2) + 1);
  for (int i = 0; i < copies; ++i) {
    FourBitWeights w;
    w.rows = shape.rows;
    w.cols = shape.cols;
    w.gated = shape.gated;
    w.pieces = Allocate<uint8_t>(FourBitBytes(w.rows, w.cols, false));
    Check(FourBitRepack(d.codes, d.absmax, nullptr, w, stream), "repack");
    d.copies.push_back(w);
  }
  float* x = Allocate<float>((size_t)tokens * shape.cols);
  d.x = Allocate<__nv_bfloat16>((size_t)tokens * shape.cols);
  RandomFloats<<<GridFor((size_t)tokens * shape.cols), 256, 0, stream>>>(
      x, (size_t)tokens * shape.cols, -2, 2, 3);
  ToBFloat16<<<GridFor((size_t)tokens * shape.cols), 256, 0, stream>>>(x, d.x,
                                                                       (size_t)tokens * shape.cols);
  d.out = Allocate<__nv_bfloat16>((size_t)tokens * shape.rows);
  d.norm = Allocate<float>(shape.cols);
  RandomFloats<<<GridFor(shape.cols), 256, 0, stream>>>(d.norm, shape.cols, 0.9f, 1.1f, 9);
  Check(cudaStreamSynchronize(stream), "make");
  cudaFree(x);
  return d;
}

void Free(Data& d) {
  for (FourBitWeights& w : d.copies) cudaFree(w.pieces);
  cudaFree(d.codes);
  cudaFree(d.absmax);
  cudaFree(d.x);
  cudaFree(d.out);
  cudaFree(d.norm);
}

double RelativeError(const Data& d, const Shape& shape, int tokens, cudaStream_t stream,
                     const CudaProduct& p) {
  float* y = Allocate<float>((size_t)tokens * shape.rows);
  double* e = Allocate<double>((size_t)tokens * shape.rows);
  Check(cudaMemset(y, 0xff, (size_t)tokens * shape.rows * 4), "poison");
  CudaProduct plain = p;
  plain.norm_weight = nullptr;
  plain.epilogue = CudaEpilogue::kNone;
  plain.float_out = true;
  plain.out = y;
  FourBitWeights w = d.copies[0];
  FourBitWeights ungated = w;
  if (shape.gated) {
    ungated.gated = false;
    Check(FourBitRepack(d.codes, d.absmax, nullptr, ungated, stream), "repack");
  }
  Check(FourBitProduct(ungated, plain, 132, stream), "product");
  Expected<<<dim3(shape.rows, tokens), 32, 0, stream>>>(d.codes, d.absmax, d.x, e, shape.rows,
                                                        shape.cols);
  std::vector<float> actual((size_t)tokens * shape.rows);
  std::vector<double> expected(actual.size());
  Check(cudaStreamSynchronize(stream), "product");
  cudaMemcpy(actual.data(), y, actual.size() * 4, cudaMemcpyDeviceToHost);
  cudaMemcpy(expected.data(), e, expected.size() * 8, cudaMemcpyDeviceToHost);
  if (shape.gated) Check(FourBitRepack(d.codes, d.absmax, nullptr, w, stream), "repack");
  cudaFree(y);
  cudaFree(e);
  double difference = 0, norm = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  return std::sqrt(difference / norm);
}

void Run(const Shape& shape, int tokens, double bandwidth, cudaStream_t stream) {
  Data d = Make(shape, tokens, stream);
  CudaProduct p;
  p.type = CudaType::kBFloat16;
  p.x = d.x;
  p.out = d.out;
  p.tokens = tokens;
  p.rows = shape.rows;
  p.cols = shape.cols;
  p.epilogue = shape.gated ? CudaEpilogue::kSiluGate : CudaEpilogue::kNone;
  const double error = RelativeError(d, shape, tokens, stream, p);
  const auto launch = [&](int i) {
    Check(FourBitProduct(d.copies[i % d.copies.size()], p, 132, stream), "product");
  };
  const double bare = MedianSeconds(stream, d.copies.size(), launch);
  double normed = 0;
  p.norm_weight = d.norm;
  p.norm_eps = 1e-5f;
  if (FusesFourBitNorm(p)) normed = MedianSeconds(stream, d.copies.size(), launch);
  const double bytes = FourBitBytes(shape.rows, shape.cols, false);
  std::printf(
      "nf4 %6dx%-6d %-5s M=%-3d %8.2f us %6.2f TB/s %5.2f of read, with norm %8.2f us, error "
      "%.1e\n",
      shape.rows, shape.cols, shape.gated ? "gated" : "", tokens, bare * 1e6, bytes / bare * 1e-12,
      bytes / bare / bandwidth, normed * 1e6, error);
  std::fflush(stdout);
  Free(d);
}

// The product alone, and with the quantisation of the activations before it.
void RunInt8(const Shape& shape, int tokens, double bandwidth, cudaStream_t stream) {
  Data d = Make({16, shape.cols, false}, tokens, stream);
  const size_t count = (size_t)shape.rows * shape.cols;
  const int copies = std::max<int>(4, kRotatedBytes / count + 1);
  std::vector<CudaInt8Weights> weights(copies);
  for (CudaInt8Weights& w : weights) {
    w.rows = shape.rows;
    w.cols = shape.cols;
    w.codes = Allocate<int8_t>(count);
    w.scb = Allocate<float>(shape.rows);
    RandomBytes<<<GridFor(count), 256, 0, stream>>>(reinterpret_cast<uint8_t*>(w.codes), count, 7);
    RandomFloats<<<GridFor(shape.rows), 256, 0, stream>>>(w.scb, shape.rows, 0.01f, 0.06f, 5);
  }
  CudaInt8Activations x;
  x.codes = Allocate<int8_t>((size_t)tokens * shape.cols);
  x.absmax = Allocate<float>(tokens);
  x.values = Allocate<half>((size_t)tokens * shape.cols);
  const size_t lists = 2 + 33 * tokens + (size_t)(tokens + 1) * shape.cols;
  x.count = Allocate<int32_t>(lists);
  x.any = x.count + 1;
  x.starts = x.any + 1;
  x.flags = x.starts + 33 * tokens;
  x.columns = x.flags + shape.cols;
  Check(cudaMemset(x.count, 0, lists * sizeof(int32_t)), "clear");
  __nv_bfloat16* const out = Allocate<__nv_bfloat16>((size_t)tokens * shape.rows);
  CudaProduct p;
  p.type = CudaType::kBFloat16;
  p.out = out;
  p.tokens = tokens;
  p.rows = shape.rows;
  p.cols = shape.cols;
  p.epilogue = shape.gated ? CudaEpilogue::kSiluGate : CudaEpilogue::kNone;
  const CudaInt8Options options;
  const auto quantise = [&] {
    Check(Int8Quantise(p.type, d.x, d.norm, 1e-5f, tokens, shape.cols, options,
                       CudaInt8Lists::kEachToken, x, stream),
          "quantise");
  };
  quantise();
  const auto multiply = [&](int i) {
    Check(Int8Product(weights[i % copies], x, options, p, 132, stream), "product");
  };
  const double bare = MedianSeconds(stream, copies, multiply);
  const double both = MedianSeconds(stream, copies, [&](int i) {
    quantise();
    multiply(i);
  });
  std::printf(
      "int8 %6dx%-6d %-5s M=%-3d %8.2f us %6.2f TB/s %5.2f of read, with norm and quantisation "
      "%8.2f us\n",
      shape.rows, shape.cols, shape.gated ? "gated" : "", tokens, bare * 1e6, count / bare * 1e-12,
      count / bare / bandwidth, both * 1e6);
  std::fflush(stdout);
  for (CudaInt8Weights& w : weights) {
    cudaFree(w.codes);
    cudaFree(w.scb);
  }
  cudaFree(x.codes);
  cudaFree(x.absmax);
  cudaFree(x.values);
  cudaFree(x.count);
  cudaFree(out);
  Free(d);
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) {
  using namespace gantry;
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  cudaStream_t stream;
  Check(cudaStreamCreate(&stream), "stream");
  cudaDeviceProp properties;
  Check(cudaGetDeviceProperties(&properties, 0), "device");
  const double bandwidth = ReadBandwidth(stream);
  std::printf("%s: reads %.2f TB/s\n", properties.name, bandwidth * 1e-12);
  const Shape shapes[] = {{4096, 4096, false},  {6144, 4096, false}, {28672, 4096, true},
                          {4096, 14336, false}, {2560, 2048, false}, {2048, 2048, false},
                          {11264, 2048, true},  {2048, 5632, false}, {14336, 4096, false},
                          {28672, 8192, false}, {9216, 3072, false}, {3072, 8192, false}};
  for (const Shape& shape : shapes) {
    for (int tokens : {1, 2, 4, 8, 16, 32}) {
      if (quick && tokens != 1 && tokens != 8 && tokens != 32) continue;
      Run(shape, tokens, bandwidth, stream);
    }
  }
  for (const Shape& shape : shapes) {
    for (int tokens : {1, 8, 32}) RunInt8(shape, tokens, bandwidth, stream);
  }
}
