#include "kernels/cpu/linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/status_macros.h"
#include "kernels/arguments.h"
#include "kernels/cpu/panel_matrix.h"

namespace gantry {
namespace {

using Epilogue = LinearArgs::Epilogue;

// Panels that one column of the output may need: the gate's and, where the up-projection does not
// start on a panel, two of that.
constexpr int64_t kMostPanels = 3;

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

absl::Status CpuLinear::Run(const LinearArgs& args) {
  if (args.tokens == 0) return absl::OkStatus();
  if (args.weight->scheme() == Scheme::kInt8) {
    GANTRY_RETURN_IF_ERROR(int8_.Prepare(args));
    return RunPanels(
        args, [this](int64_t panel, int thread, float* c) { int8_.Multiply(panel, thread, c); });
  }
  GANTRY_RETURN_IF_ERROR(floats_.Prepare(args));
  return RunPanels(
      args, [this](int64_t panel, int thread, float* c) { floats_.Multiply(panel, thread, c); });
}

absl::Status CpuLinear::RunPanels(const LinearArgs& args, Multiply multiply) {
  const int64_t sum_floats = kMostPanels * args.tokens * kPanel;
  GANTRY_ASSIGN_OR_RETURN(float* sums, scratch_.Reserve(pool_.threads() * sum_floats));
  const int64_t rows = args.weight->rows();
  const int64_t columns = IsGated(args.epilogue) ? rows / 2 : rows;
  pool_.ParallelFor(CountPanels(columns), 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t panel = begin; panel < end; ++panel) {
      RunPanel(args, panel, thread, multiply, sums + thread * sum_floats);
    }
  });
  return absl::OkStatus();
}

void CpuLinear::RunPanel(const LinearArgs& args, int64_t panel, int thread, Multiply multiply,
                         float* sums) {
  const int64_t panel_floats = args.tokens * kPanel;
  multiply(panel, thread, sums);
  const bool gated = IsGated(args.epilogue);
  const int64_t columns = gated ? args.weight->rows() / 2 : args.weight->rows();
  const int64_t count = std::min(kPanel, columns - panel * kPanel);
  const int64_t up_row = columns + panel * kPanel;
  const int64_t offset = up_row % kPanel;
  if (gated) {
    multiply(up_row / kPanel, thread, sums + panel_floats);
    if (offset + count > kPanel) {
      multiply(up_row / kPanel + 1, thread, sums + 2 * panel_floats);
    }
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
