#include "kernels/cpu/linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/arguments.h"
#include "kernels/cpu/packed_matrix.h"

namespace gantry {
namespace {

using Epilogue = LinearArgs::Epilogue;

// Panels that one column of the output may need: the gate's and, where the up-projection does not
// start on a panel, two of that.
constexpr int64_t kMostPanels = 3;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// gate[n] = activation(gate) * up for the activations that few models have.
void GeluGate(bool tanh, float* gate, const float* up, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const double x = gate[i];
    const double part = tanh ? std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))
                             : std::erf(x * M_SQRT1_2);
    gate[i] = static_cast<float>(0.5 * x * (1 + part)) * up[i];
  }
}

}  // namespace

struct CpuLinear::Job {
  const LinearArgs& args;
  const PackedMatrix& weight;
  int64_t tiles;      // of tokens
  float* tokens;      // [tiles][cols][rows of the tile]
  float* normalised;  // [threads][cols]

  // Tiles are as equal as can be: a row alone in the last one would take as long as many.
  int64_t TileBegin(int64_t tile) const { return args.tokens * tile / tiles; }
};

absl::Status CpuLinear::Run(const LinearArgs& args) {
  const auto& weight = static_cast<const PackedMatrix&>(*args.weight);
  if (args.tokens == 0) return absl::OkStatus();
  const int64_t threads = pool_.threads();
  // The sums come first: theirs is the one size that keeps the alignment.
  const int64_t sum_floats = kMostPanels * args.tokens * kPanel;
  GANTRY_ASSIGN_OR_RETURN(float* sums, scratch_.Reserve(threads * (sum_floats + weight.cols()) +
                                                        args.tokens * weight.cols()));
  float* normalised = sums + threads * sum_floats;
  const Job job = {args, weight, CeilDiv(args.tokens, isa_.tile_rows),
                   normalised + threads * weight.cols(), normalised};
  PackTokens(job);

  const int64_t columns = IsGated(args.epilogue) ? weight.rows() / 2 : weight.rows();
  const int64_t panels = CeilDiv(columns, kPanel);
  pool_.ParallelFor(panels, 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t panel = begin; panel < end; ++panel) {
      RunPanel(job, panel, sums + thread * sum_floats);
    }
  });
  return absl::OkStatus();
}

void CpuLinear::PackTokens(const Job& job) {
  const int64_t cols = job.weight.cols();
  pool_.ParallelFor(job.tiles, 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t first = job.TileBegin(tile);
      const int64_t rows = job.TileBegin(tile + 1) - first;
      float* to = job.tokens + first * cols;
      for (int64_t row = 0; row < rows; ++row) {
        const float* from = job.args.x->as<float>() + (first + row) * cols;
        if (job.args.norm_weight != nullptr) {
          float* normalised = job.normalised + thread * cols;
          isa_.rms_norm(from, job.args.norm_weight->as<float>(), job.args.norm_eps, cols,
                        normalised);
          from = normalised;
        }
        for (int64_t k = 0; k < cols; ++k) to[k * rows + row] = from[k];
      }
    }
  });
}

void CpuLinear::RunPanel(const Job& job, int64_t panel, float* sums) {
  const LinearArgs& args = job.args;
  const int64_t cols = job.weight.cols();
  const int64_t panel_floats = args.tokens * kPanel;
  const auto multiply = [&](int64_t weight_panel, float* c) {
    for (int64_t k = 0; k < cols; k += kDepth) {
      const int64_t depth = std::min(kDepth, cols - k);
      const float* b = job.weight.panel(weight_panel) + k * kPanel;
      for (int64_t tile = 0; tile < job.tiles; ++tile) {
        const int64_t first = job.TileBegin(tile);
        const int64_t rows = job.TileBegin(tile + 1) - first;
        isa_.tile(rows, kPanel, depth, job.tokens + first * cols + k * rows, b, kPanel,
                  c + first * kPanel, kPanel, /*add=*/k > 0);
      }
    }
    if (args.bias == nullptr) return;
    const float* bias = args.bias->as<float>() + weight_panel * kPanel;
    const int64_t count = std::min(kPanel, job.weight.rows() - weight_panel * kPanel);
    for (int64_t row = 0; row < args.tokens; ++row) {
      for (int64_t i = 0; i < count; ++i) c[row * kPanel + i] += bias[i];
    }
  };

  multiply(panel, sums);
  const bool gated = IsGated(args.epilogue);
  const int64_t columns = gated ? job.weight.rows() / 2 : job.weight.rows();
  const int64_t count = std::min(kPanel, columns - panel * kPanel);
  const int64_t up_row = columns + panel * kPanel;
  const int64_t offset = up_row % kPanel;
  if (gated) {
    multiply(up_row / kPanel, sums + panel_floats);
    if (offset + count > kPanel) multiply(up_row / kPanel + 1, sums + 2 * panel_floats);
  }
  for (int64_t row = 0; row < args.tokens; ++row) {
    float* sum = sums + row * kPanel;
    float* out = args.out->as<float>() + row * columns + panel * kPanel;
    if (gated) {
      float up[kPanel] = {};
      for (int64_t i = 0; i < count; ++i) {
        const int64_t at = offset + i;
        up[i] = sum[(1 + at / kPanel) * panel_floats + at % kPanel];
      }
      if (args.epilogue == Epilogue::kSiluGate) {
        isa_.silu_gate(sum, up, kPanel);
      } else {
        GeluGate(args.epilogue == Epilogue::kGeluTanhGate, sum, up, count);
      }
    }
    if (args.epilogue == Epilogue::kAddTo) {
      for (int64_t i = 0; i < count; ++i) out[i] += sum[i];
    } else {
      std::memcpy(out, sum, count * sizeof(float));
    }
  }
}

}  // namespace gantry
