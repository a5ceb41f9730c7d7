// Attention, rotation, norm and sampling on a GPU: microseconds a call within a recorded chain of
// calls, beside the bytes or operations that they cannot do without.
// usage: cuda_attention_bench
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <vector>

#include "base/dtype.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/norm.h"
#include "kernels/cuda/rotation.h"
#include "kernels/cuda/sampling.h"

namespace gantry {
namespace {

constexpr int kRuns = 9;
constexpr int kChain = 32;  // calls in a recording, each with its own cache: as many layers
constexpr int kBlockSize = 16;

void Check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

void* Allocate(size_t bytes) {
  void* p = nullptr;
  Check(cudaMalloc(&p, bytes), "cudaMalloc");
  Check(cudaMemset(p, 0, bytes), "cudaMemset");
  return p;
}
template <typename T>
T* OnDevice(const std::vector<T>& values) {
  T* p = static_cast<T*>(Allocate(values.size() * sizeof(T)));
  Check(cudaMemcpy(p, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), "copying");
  return p;
}

// Random bfloat16 in memory that is larger than the values drawn.
void* RandomBFloat16(size_t count) {
  static const std::vector<uint16_t> drawn = [] {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<uint16_t> values(size_t{1} << 20);
    for (uint16_t& value : values) value = FloatToBF16(normal(random));
    return values;
  }();
  auto* p = static_cast<uint16_t*>(Allocate(count * 2));
  for (size_t at = 0; at < count; at += drawn.size()) {
    Check(cudaMemcpy(p + at, drawn.data(), std::min(drawn.size(), count - at) * 2,
                     cudaMemcpyHostToDevice),
          "copying");
  }
  return p;
}

// Microseconds of one of kChain calls, the median of replays.
double Time(const std::function<cudaError_t(int, cudaStream_t)>& call) {
  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t recording = nullptr;
  cudaEvent_t begin, end;
  Check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "opening");
  Check(cudaEventCreate(&begin), "opening");
  Check(cudaEventCreate(&end), "opening");
  Check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "recording");
  for (int i = 0; i < kChain; ++i) Check(call(i, stream), "recording");
  Check(cudaStreamEndCapture(stream, &graph), "recording");
  Check(cudaGraphInstantiate(&recording, graph, 0), "recording");
  std::vector<float> times;
  for (int run = 0; run < kRuns + 2; ++run) {
    Check(cudaEventRecord(begin, stream), "timing");
    Check(cudaGraphLaunch(recording, stream), "timing");
    Check(cudaEventRecord(end, stream), "timing");
    Check(cudaStreamSynchronize(stream), "timing");
    float milliseconds = 0;
    Check(cudaEventElapsedTime(&milliseconds, begin, end), "timing");
    if (run >= 2) times.push_back(milliseconds);
  }
  Check(cudaGraphExecDestroy(recording), "closing");
  Check(cudaGraphDestroy(graph), "closing");
  Check(cudaStreamDestroy(stream), "closing");
  std::nth_element(times.begin(), times.begin() + kRuns / 2, times.end());
  return times[kRuns / 2] * 1000 / kChain;
}

struct Model {
  const char* name;
  int heads;
  int kv_heads;
  int head_dim;
};

void BenchAttention(const Model& model, int sequences, int rows_each, int start,
                    bool deterministic) {
  const int end = start + rows_each;
  const int rows = sequences * rows_each;
  const int blocks_each = (end + kBlockSize - 1) / kBlockSize;
  std::vector<int32_t> positions, row_slices, first_rows, slice_rows, first_blocks, table, ropes;
  for (int s = 0; s < sequences; ++s) {
    first_rows.push_back(positions.size());
    slice_rows.push_back(rows_each);
    first_blocks.push_back(table.size());
    ropes.push_back(0);
    for (int r = 0; r < rows_each; ++r) positions.push_back(start + r), row_slices.push_back(s);
    for (int b = 0; b < blocks_each; ++b) table.push_back(s * blocks_each + b);
  }
  std::shuffle(table.begin(), table.end(), std::mt19937(1));
  DeviceStep step;
  step.rows = rows;
  step.slices = sequences;
  step.all_single = rows_each == 1;
  for (step.context_bound = 1; step.context_bound < end;) step.context_bound *= 2;
  step.half_rotary = model.head_dim / 2;
  step.positions = OnDevice(positions);
  step.row_slices = OnDevice(row_slices);
  step.slice_first_rows = OnDevice(first_rows);
  step.slice_rows = OnDevice(slice_rows);
  step.slice_first_blocks = OnDevice(first_blocks);
  step.slice_ropes = OnDevice(ropes);
  step.block_table = OnDevice(table);
  step.inv_freq = OnDevice(std::vector<float>(step.half_rotary, 0.01f));
  step.rope_scales = OnDevice(std::vector<float>{1});
  step.rope_halves = OnDevice(std::vector<int32_t>{step.half_rotary});
  step.rotation = static_cast<float*>(Allocate(size_t{8} * rows * step.half_rotary));
  CudaAttention attention;
  attention.type = attention.kv_type = CudaType::kBFloat16;
  int major = 0, minor = 0;
  Check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "asking");
  Check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0), "asking");
  attention.architecture = 10 * major + minor;
  attention.heads = model.heads;
  attention.kv_heads = model.kv_heads;
  attention.head_dim = model.head_dim;
  attention.block_size = kBlockSize;
  attention.scale = 0.1f;
  attention.qkv =
      RandomBFloat16(size_t{1} * rows * (model.heads + 2 * model.kv_heads) * model.head_dim);
  attention.out = Allocate(size_t{2} * rows * model.heads * model.head_dim);
  attention.workspace = Allocate(AttentionWorkspaceBytes(attention, step.context_bound));
  const size_t cached = size_t{1} * table.size() * model.kv_heads * kBlockSize * model.head_dim;
  std::vector<void*> keys, values;
  for (int i = 0; i < kChain; ++i) {
    keys.push_back(RandomBFloat16(cached));
    values.push_back(RandomBFloat16(cached));
  }
  Check(LaunchRotation(step, nullptr), "rotating");
  const double us = Time([&](int i, cudaStream_t stream) {
    CudaAttention one = attention;
    one.keys = keys[i];
    one.values = values[i];
    return LaunchAttention(step, one, deterministic, stream);
  });
  const double bytes = 4.0 * sequences * end * model.kv_heads * model.head_dim;
  const double seen = rows_each * (start + (rows_each + 1) / 2.0);
  const double flops = 4.0 * sequences * seen * model.heads * model.head_dim;
  std::printf("%-14s %3d x %4d rows after %6d%s: %9.2f us, %6.3f TB/s, %6.1f TFLOP/s\n", model.name,
              sequences, rows_each, start, deterministic ? ", deterministic" : "", us,
              bytes / us * 1e-6, flops / us * 1e-6);
  for (const void* p :
       {static_cast<const void*>(step.positions), static_cast<const void*>(step.row_slices),
        static_cast<const void*>(step.block_table), static_cast<const void*>(step.rotation),
        attention.qkv, static_cast<const void*>(attention.out),
        static_cast<const void*>(attention.workspace)}) {
    cudaFree(const_cast<void*>(p));
  }
  for (int i = 0; i < kChain; ++i) cudaFree(keys[i]), cudaFree(values[i]);
}

void BenchNorm(int rows, int features) {
  const void* x = RandomBFloat16(size_t{1} * rows * features);
  const float* weight = OnDevice(std::vector<float>(features, 1));
  void* out = Allocate(size_t{2} * rows * features);
  const double us = Time([&](int, cudaStream_t stream) {
    return LaunchRmsNorm(CudaType::kBFloat16, x, weight, 1e-5f, rows, features, out, stream);
  });
  std::printf("norm           %4d x %5d: %9.2f us\n", rows, features, us);
}

// `masked`: every row has a mask of its own, of half of the tokens.
void BenchSampling(int rows, int vocab, bool nucleus, bool masked) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(size_t{1} * rows * vocab);
  for (float& logit : logits) logit = normal(random);
  std::vector<SampleJob> jobs(rows);
  for (int i = 0; i < rows; ++i) {
    jobs[i].row = i;
    jobs[i].temperature = nucleus ? 0.7f : 0;
    jobs[i].wants_shortlist = jobs[i].wants_total = nucleus;
    jobs[i].mask = masked ? i : -1;
  }
  std::vector<uint32_t> masks(masked ? size_t{1} * rows * ((vocab + 31) / 32) : 0);
  for (uint32_t& word : masks) word = random();
  CudaSampling sampling;
  sampling.logits = OnDevice(logits);
  sampling.vocab = vocab;
  sampling.jobs = OnDevice(jobs);
  sampling.job_count = rows;
  sampling.masks = masked ? OnDevice(masks) : nullptr;
  sampling.shortlist = nucleus ? kMostShortlisted : 0;
  sampling.outcomes = static_cast<SampleOutcome*>(Allocate(rows * sizeof(SampleOutcome)));
  sampling.listed = static_cast<ShortlistToken*>(
      Allocate(size_t{1} * rows * kMostShortlisted * sizeof(ShortlistToken)));
  sampling.workspace = Allocate(SampleWorkspaceBytes(vocab));
  const double us =
      Time([&](int, cudaStream_t stream) { return LaunchSampling(sampling, stream); });
  std::printf("%-14s %4d x %6d: %9.2f us%s\n", nucleus ? "sample top-p" : "sample greedy", rows,
              vocab, us, masked ? ", masked" : "");
}

void Main() {
  const Model small = {"TinyLlama", 32, 4, 64};
  const Model phi = {"Phi-3-mini", 32, 32, 96};
  const Model medium = {"Llama-3-8B", 32, 8, 128};
  const Model large = {"Llama-3-70B", 64, 8, 128};
  for (const Model& model : {small, phi, medium, large}) {
    for (int context : {0, 127, 511, 2047, 8191}) BenchAttention(model, 1, 1, context, false);
  }
  BenchAttention(medium, 1, 1, 131071, false);
  for (int sequences : {4, 32, 64}) {
    for (int context : {127, 511, 2047}) BenchAttention(medium, sequences, 1, context, false);
  }
  for (const Model& model : {small, phi, medium, large}) {
    BenchAttention(model, 1, 512, 0, false);
    BenchAttention(model, 1, 2048, 0, false);
    BenchAttention(model, 1, 512, 7680, false);
  }
  BenchAttention(medium, 1, 512, 0, true);
  for (int rows : {1, 32, 2048}) BenchNorm(rows, 4096);
  for (int rows : {1, 64}) {
    for (bool nucleus : {false, true}) {
      for (bool masked : {false, true}) BenchSampling(rows, 128256, nucleus, masked);
    }
  }
}

}  // namespace
}  // namespace gantry

int main() {
  gantry::Main();
  return 0;
}
