#ifndef GANTRY_TESTS_KERNELS_LINEAR_PROBLEM_H_
#define GANTRY_TESTS_KERNELS_LINEAR_PROBLEM_H_

#include <cmath>
#include <vector>

#include "tests/kernels/kernel_testing.h"

namespace gantry {

// One Linear and its inputs, to run on any backend.
struct LinearProblem {
  int64_t tokens, rows, cols;
  LinearArgs::Epilogue epilogue = LinearArgs::Epilogue::kNone;
  bool norm = false;
  bool bias = false;
  MatrixFormat format = {};
  std::vector<int64_t> parts = {};  // rows; none: one part
  std::vector<float> x = {}, weight = {}, norm_weight = {}, bias_values = {}, out = {};

  void Fill() {
    x = RandomFloats(tokens * cols);
    weight = RandomFloats(rows * cols, 1 / std::sqrt(static_cast<float>(cols)));
    norm_weight = RandomFloats(cols);
    bias_values = RandomFloats(rows);
    const bool adds = epilogue == LinearArgs::Epilogue::kAddTo;
    const bool gated = epilogue != LinearArgs::Epilogue::kNone && !adds;
    const size_t count = tokens * (gated ? rows / 2 : rows);
    out = adds ? RandomFloats(count) : std::vector<float>(count, kNan);
  }

  // The result for tokens [first, first + count).
  std::vector<float> Run(Backend& backend, int64_t first, int64_t count) const {
    const int64_t out_cols = out.size() / tokens;
    auto slice = [&](const std::vector<float>& all, int64_t width) {
      return Filled(backend, std::vector<float>(all.begin() + first * width,
                                                all.begin() + (first + count) * width));
    };
    const auto x_buffer = slice(x, cols);
    const auto norm_buffer = Filled(backend, norm_weight);
    const auto bias_buffer = Filled(backend, bias_values);
    const auto out_buffer = slice(out, out_cols);
    const std::vector<int64_t> whole = {rows};
    const auto matrix =
        PackOrDie(backend, SourceInParts(format, parts.empty() ? whole : parts, cols, weight));
    LinearArgs args;
    args.x = x_buffer.get();
    args.norm_weight = norm ? norm_buffer.get() : nullptr;
    args.norm_eps = 1e-5f;
    args.weight = matrix.get();
    args.bias = bias ? bias_buffer.get() : nullptr;
    args.epilogue = epilogue;
    args.out = out_buffer.get();
    args.tokens = count;
    GANTRY_EXPECT_OK(backend.Linear(args));
    return Read(backend, *out_buffer);
  }
  std::vector<float> Run(Backend& backend) const { return Run(backend, 0, tokens); }
};

}  // namespace gantry

#endif  // GANTRY_TESTS_KERNELS_LINEAR_PROBLEM_H_
