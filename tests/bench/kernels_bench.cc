// Speed of the CPU backend's ops at the shapes of TinyLlama-1.1B.
//
//   kernels_bench --benchmark_filter='Linear/.*/fp32/tokens:1/threads:2'
//
// bytes_per_second of a Linear of one token is to be compared with that of ReadBandwidth; FLOP/s of
// one of 512 tokens with the peak of the cores.
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/memory_bandwidth.h"

namespace gantry {
namespace {

// More than the caches hold: each call finds its weights in memory, as a token's pass does.
constexpr int64_t kRotatedBytes = 160 << 20;

std::unique_ptr<Backend> Cpu(int64_t threads) {
  CpuOptions options;
  options.threads = static_cast<int>(threads);
  if (const char* isa = std::getenv("GANTRY_BENCH_ISA")) options.isa = isa;
  return std::move(MakeCpuBackend(options)).value();
}

void FillRandom(uint32_t seed, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525 + 1013904223;
    out[i] = (static_cast<float>(seed >> 8) * 0x1p-24f - 0.5f) * 0.05f;
  }
}

std::unique_ptr<Buffer> RandomBuffer(Backend& backend, int64_t count) {
  std::unique_ptr<Buffer> buffer = *backend.Allocate(count * sizeof(float));
  FillRandom(7, count, buffer->as<float>());
  return buffer;
}

void BM_ReadBandwidth(benchmark::State& state) {
  double best = 0;
  for (auto _ : state) best = std::max(best, *MeasureReadBandwidth(state.range(0)));
  state.counters["bytes_per_second"] = best;
}
BENCHMARK(BM_ReadBandwidth)
    ->Name("ReadBandwidth")
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime();

struct Shape {
  const char* name;
  int64_t rows;
  int64_t cols;
  bool norm;
  LinearArgs::Epilogue epilogue;
};
constexpr Shape kShapes[] = {
    {"qkv_2560x2048", 2560, 2048, true, LinearArgs::Epilogue::kNone},
    {"o_2048x2048", 2048, 2048, false, LinearArgs::Epilogue::kAddTo},
    {"gate_up_11264x2048", 11264, 2048, true, LinearArgs::Epilogue::kSiluGate},
    {"down_2048x5632", 2048, 5632, false, LinearArgs::Epilogue::kAddTo},
    {"head_32000x2048", 32000, 2048, true, LinearArgs::Epilogue::kNone},
};

struct NamedFormat {
  const char* name;
  MatrixFormat format;
};
const NamedFormat kFormats[] = {
    {"fp32", {}},
    {"fp16", {{Scheme::kFp16}}},
    {"bf16", {{Scheme::kBf16}}},
    {"int8", {{Scheme::kInt8}}},
    {"nf4", {{Scheme::kNf4}}},
    {"nf4_bf16", {{Scheme::kNf4}, DType::kBF16}},
    {"nf4_dq_bf16", {{Scheme::kNf4, /*double_quant=*/true}, DType::kBF16}},
    {"fp4_fp16", {{Scheme::kFp4}, DType::kF16}},
};

void BM_Linear(benchmark::State& state, const Shape& shape, const MatrixFormat& format) {
  const int64_t tokens = state.range(0);
  const auto backend = Cpu(state.range(1));
  const int64_t bytes = backend->PackedBytes(format, shape.rows, shape.cols);
  MatrixSource source;
  source.format = format;
  source.rows = shape.rows;
  source.cols = shape.cols;
  source.parts.resize(1);
  source.parts[0].rows = shape.rows;
  source.parts[0].read = [&](int64_t first, int64_t count, void* out) {
    FillRandom(first + 1, count * shape.cols, static_cast<float*>(out));
    return absl::OkStatus();
  };
  std::vector<std::unique_ptr<Matrix>> weights;
  for (int64_t total = 0; total < kRotatedBytes; total += bytes) {
    weights.push_back(std::move(backend->Pack(source)).value());
  }
  const auto x = RandomBuffer(*backend, tokens * shape.cols);
  const auto norm = RandomBuffer(*backend, shape.cols);
  const auto out = RandomBuffer(*backend, tokens * shape.rows);
  LinearArgs args;
  args.x = x.get();
  args.norm_weight = shape.norm ? norm.get() : nullptr;
  args.norm_eps = 1e-5f;
  args.epilogue = shape.epilogue;
  args.out = out.get();
  args.tokens = tokens;
  size_t next = 0;
  for (auto _ : state) {
    args.weight = weights[next++ % weights.size()].get();
    const absl::Status status = backend->Linear(args);
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
  state.SetBytesProcessed(state.iterations() * bytes);
  const double weights_used = static_cast<double>(shape.rows) * shape.cols * state.iterations();
  state.counters["weights/s"] = benchmark::Counter(weights_used, benchmark::Counter::kIsRate);
  state.counters["FLOP/s"] =
      benchmark::Counter(2.0 * tokens * weights_used, benchmark::Counter::kIsRate);
}

// All of a sequence's keys are in the cache: `tokens` new ones attend to `context` of them.
void BM_Attention(benchmark::State& state) {
  constexpr int64_t kHeads = 32;
  constexpr int64_t kKvHeads = 4;
  constexpr int64_t kHeadDim = 64;
  const int64_t context = state.range(0);
  const int64_t tokens = state.range(1);
  const auto backend = Cpu(state.range(2));
  const KvCacheShape shape{(context + 15) / 16, 16, kKvHeads, kHeadDim};
  const int64_t layers = std::max<int64_t>(1, kRotatedBytes / backend->KvCacheBytes(shape));
  std::vector<std::unique_ptr<KvCache>> caches;
  for (int64_t i = 0; i < layers; ++i) {
    caches.push_back(std::move(backend->MakeKvCache(shape)).value());
  }
  StepLayout layout;
  layout.rows = tokens;
  layout.ropes.push_back({std::vector<float>(kHeadDim / 2, 0.01f), 1.0f});
  for (int64_t b = 0; b < shape.num_blocks; ++b) layout.block_table.push_back(b);
  StepLayout::Slice slice;
  slice.rows = tokens;
  slice.start_position = context - tokens;
  slice.num_blocks = shape.num_blocks;
  layout.slices.push_back(slice);
  const auto qkv = RandomBuffer(*backend, context * (kHeads + 2 * kKvHeads) * kHeadDim);
  const auto out = RandomBuffer(*backend, context * kHeads * kHeadDim);
  AttentionArgs args;
  args.qkv = qkv.get();
  args.out = out.get();
  args.heads = kHeads;
  args.kv_heads = kKvHeads;
  args.head_dim = kHeadDim;
  args.scale = 0.125f;
  // A token that sees itself alone stores keys and values at little cost.
  StepLayout fill = layout;
  fill.rows = fill.slices[0].rows = context;
  fill.slices[0].start_position = 0;
  args.sliding_window = 1;
  bool filled = backend->BeginStep(fill).ok();
  for (const auto& cache : caches) {
    args.cache = cache.get();
    filled = filled && backend->Attention(args).ok();
  }
  args.sliding_window = 0;
  filled = filled && backend->EndStep().ok() && backend->BeginStep(layout).ok();
  if (!filled) return state.SkipWithError("the caches could not be filled");
  size_t next = 0;
  for (auto _ : state) {
    args.cache = caches[next++ % caches.size()].get();
    const absl::Status status = backend->Attention(args);
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
  state.SetBytesProcessed(state.iterations() * backend->KvCacheBytes(shape));
  const double pairs = tokens * (context - (tokens - 1) / 2.0);
  state.counters["FLOP/s"] = benchmark::Counter(
      4.0 * pairs * kHeads * kHeadDim * state.iterations(), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_Attention)
    ->Name("Attention")
    ->ArgNames({"context", "tokens", "threads"})
    ->ArgsProduct({{512, 2048}, {1, 512}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

void RegisterLinear() {
  for (const Shape& shape : kShapes) {
    for (const NamedFormat& format : kFormats) {
      const std::string name = std::string("Linear/") + shape.name + "/" + format.name;
      benchmark::RegisterBenchmark(
          name.c_str(), [&](benchmark::State& state) { BM_Linear(state, shape, format.format); })
          ->ArgNames({"tokens", "threads"})
          ->ArgsProduct({{1, 8, 32, 512}, {1, 2}})
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) {
  gantry::RegisterLinear();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
