// LLM.int8() on the prompts of Llama-3-8B: the products of a layer with 2,048 tokens on a GPU, by
// how many activations are outliers and where, beside threshold 0. usage: cuda_int8_bench
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/dummy_weights.h"
#include "kernels/cuda/cuda_backend.h"
#include "tests/bench/must.h"

namespace gantry {
namespace {

using Epilogue = LinearArgs::Epilogue;

constexpr int64_t kTokens = 2048;
constexpr int kRuns = 7;

struct Product {
  const char* name;
  int64_t rows, cols;
  bool norm;
  Epilogue epilogue;
};
constexpr Product kProducts[] = {{"qkv", 6144, 4096, true, Epilogue::kNone},
                                 {"o", 4096, 4096, false, Epilogue::kAddTo},
                                 {"gate and up", 28672, 4096, true, Epilogue::kSiluGate},
                                 {"down", 4096, 14336, false, Epilogue::kAddTo}};

// Where activations are outliers.
struct Outliers {
  const char* name;
  int columns;   // outliers of nearly every token
  double share;  // of all activations, anywhere
};
constexpr Outliers kOutliers[] = {
    {"none", 0, 0},          {"6 columns", 6, 0},          {"32 columns", 32, 0},
    {"200 columns", 200, 0}, {"0.3 % anywhere", 0, 0.003}, {"30 % anywhere", 0, 0.3}};

template <typename T>
std::unique_ptr<Buffer> Upload(Backend* backend, const std::vector<T>& values) {
  const size_t bytes = values.size() * sizeof(T);
  std::unique_ptr<Buffer> buffer = Must(backend->Allocate(bytes));
  Must(backend->Upload(absl::MakeConstSpan(reinterpret_cast<const char*>(values.data()), bytes),
                       buffer.get(), 0));
  Must(backend->Synchronize());
  return buffer;
}

// [kTokens, cols] of bfloat16 below 1, but for outliers. A norm makes them all larger or smaller,
// and leaves these far above the threshold.
std::vector<uint16_t> Activations(int64_t cols, const Outliers& outliers) {
  const uint16_t outlier = FloatToBF16(60);
  uint64_t state = 7;
  std::vector<uint16_t> values(kTokens * cols);
  for (int64_t i = 0; i < kTokens * cols; ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    const double uniform = static_cast<double>(state >> 40) * 0x1p-24;
    values[i] =
        uniform < outliers.share ? outlier : FloatToBF16(static_cast<float>(2 * uniform - 1));
  }
  for (int64_t token = 0; token < kTokens; ++token) {
    for (int i = 0; i < outliers.columns; ++i) {
      if ((token + i) % 16 != 0) values[token * cols + (i * 1237 + 11) % cols] = outlier;
    }
  }
  return values;
}

std::unique_ptr<Matrix> Pack(Backend* backend, const Product& product, float threshold) {
  MatrixSource source;
  source.format.scheme.scheme = Scheme::kInt8;
  source.format.int8_threshold = threshold;
  source.rows = product.rows;
  source.cols = product.cols;
  source.gated = product.epilogue == Epilogue::kSiluGate;
  source.parts.resize(1);
  source.parts[0].rows = product.rows;
  source.parts[0].dummy = DummyWeights{static_cast<uint64_t>(product.rows), 0};
  source.parts[0].read = [](int64_t, int64_t, void*) {
    return absl::InternalError("dummy weights are made on the device");
  };
  return Must(backend->Pack(source));
}

// Median seconds.
double Measure(Backend* backend, const Product& product, float threshold,
               const Outliers& outliers) {
  const std::unique_ptr<Matrix> weight = Pack(backend, product, threshold);
  const std::unique_ptr<Buffer> x = Upload(backend, Activations(product.cols, outliers));
  const std::unique_ptr<Buffer> norm = Upload(backend, std::vector<float>(product.cols, 1));
  const std::unique_ptr<Buffer> out =
      Upload(backend, std::vector<uint16_t>(kTokens * product.rows));
  LinearArgs args;
  args.x = x.get();
  args.norm_weight = product.norm ? norm.get() : nullptr;
  args.norm_eps = 1e-5f;
  args.weight = weight.get();
  args.epilogue = product.epilogue;
  args.out = out.get();
  args.tokens = kTokens;
  std::vector<double> seconds;
  for (int run = 0; run < kRuns + 2; ++run) {
    constexpr int kRepeated = 5;
    const double begin = Now();
    for (int i = 0; i < kRepeated; ++i) Must(backend->Linear(args));
    Must(backend->Synchronize());
    if (run >= 2) seconds.push_back((Now() - begin) / kRepeated);
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace
}  // namespace gantry

int main() {
  using namespace gantry;
  const std::unique_ptr<Backend> backend = Must(MakeCudaBackend(0));
  Must(backend->Configure({DType::kBF16, false}));
  std::printf("%s, %ld tokens\n", backend->name().c_str(), static_cast<long>(kTokens));
  double without = 0;
  for (const float threshold : {0.0f, 6.0f}) {
    for (const Outliers& outliers : kOutliers) {
      if (threshold == 0 && outliers.columns + outliers.share > 0) continue;
      double layer = 0;
      std::printf("threshold %.0f, outliers %-14s", threshold, outliers.name);
      for (const Product& product : kProducts) {
        const double seconds = Measure(backend.get(), product, threshold, outliers);
        layer += seconds;
        std::printf("  %s %.0f us", product.name, seconds * 1e6);
      }
      if (threshold == 0) without = layer;
      std::printf("  layer %.0f us, %.2f of the speed of threshold 0\n", layer * 1e6,
                  without / layer);
      std::fflush(stdout);
    }
  }
}
