#include "kernels/reference/reference_linear.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/quantisation_constants.h"
#include "kernels/arguments.h"
#include "kernels/reference/quantize.h"
#include "kernels/reference/reference_matrix.h"

namespace gantry {
namespace {

double Activate(LinearArgs::Epilogue epilogue, double x) {
  switch (epilogue) {
    case LinearArgs::Epilogue::kSiluGate:
      return x / (1 + std::exp(-x));
    case LinearArgs::Epilogue::kGeluTanhGate:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case LinearArgs::Epilogue::kGeluGate:
      return 0.5 * x * (1 + std::erf(x * M_SQRT1_2));
    default:
      return x;
  }
}

double Bias(const LinearArgs& args, DType dtype, int64_t row) {
  return args.bias == nullptr ? 0 : RoundTo(dtype, args.bias->as<float>()[row]);
}

// products[tokens, rows] = x[tokens, cols] W^T + bias, with everything rounded to `dtype`.
void MultiplyFloats(const LinearArgs& args, const ReferenceMatrix& weight, DType dtype,
                    std::vector<float> x, double* products) {
  for (float& value : x) value = RoundTo(dtype, value);
  std::vector<float> row(weight.cols());
  for (int64_t i = 0; i < weight.rows(); ++i) {
    weight.ReadRow(i, row.data());
    for (int64_t token = 0; token < args.tokens; ++token) {
      const float* from = x.data() + token * weight.cols();
      double sum = Bias(args, dtype, i);
      for (int64_t k = 0; k < weight.cols(); ++k) sum += static_cast<double>(from[k]) * row[k];
      products[token * weight.rows() + i] =
          dtype == DType::kF32 ? sum : RoundTo(dtype, static_cast<float>(sum));
    }
  }
}

void MultiplyInt8(const LinearArgs& args, const ReferenceMatrix& weight,
                  const std::vector<float>& x, double* products) {
  const int64_t cols = weight.cols();
  const Int8Activations activations = QuantiseActivations(
      x, args.tokens, cols, weight.format().int8_threshold, weight.format().outliers_per_batch);
  std::vector<float> row(cols);
  for (int64_t i = 0; i < weight.rows(); ++i) {
    weight.ReadRow(i, row.data());
    const int8_t* codes = weight.Codes(i);
    for (int64_t token = 0; token < args.tokens; ++token) {
      const int8_t* from = activations.codes.data() + token * cols;
      int64_t sum = 0;
      for (int64_t k = 0; k < cols; ++k) sum += int64_t{from[k]} * codes[k];
      const float scaled = static_cast<float>(sum) * activations.absmax[token] * weight.Scb(i);
      const float product = RoundTo(
          DType::kF16,
          std::fma(scaled, kInt8ProductUnit, static_cast<float>(Bias(args, DType::kF16, i))));
      double outliers = 0;
      for (const int32_t k : activations.outliers[token]) {
        outliers += static_cast<double>(RoundTo(DType::kF16, x[token * cols + k])) * row[k];
      }
      products[token * weight.rows() + i] =
          activations.outliers[token].empty()
              ? product
              : RoundTo(DType::kF16, static_cast<float>(product + outliers));
    }
  }
}

}  // namespace

void ReferenceRmsNorm(const float* x, const float* weight, float eps, int64_t n, DType factor,
                      float* out) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  const double scale = 1 / std::sqrt(sum / n + eps);
  for (int64_t i = 0; i < n; ++i) {
    out[i] = RoundTo(factor, static_cast<float>(x[i] * scale)) * weight[i];
  }
}

void ReferenceLinear(const LinearArgs& args) {
  const auto& weight = static_cast<const ReferenceMatrix&>(*args.weight);
  const int64_t rows = weight.rows();
  const int64_t cols = weight.cols();
  std::vector<float> x(args.tokens * cols);
  std::copy_n(args.x->as<float>(), x.size(), x.begin());
  if (args.norm_weight != nullptr) {
    const DType factor = NormIsF16(args) ? DType::kF16 : DType::kF32;
    for (int64_t token = 0; token < args.tokens; ++token) {
      ReferenceRmsNorm(args.x->as<float>() + token * cols, args.norm_weight->as<float>(),
                       args.norm_eps, cols, factor, x.data() + token * cols);
    }
  }
  std::vector<double> products(args.tokens * rows);
  if (weight.scheme() == Scheme::kInt8) {
    MultiplyInt8(args, weight, x, products.data());
  } else {
    const bool four_bit = IsFourBit(weight.scheme());
    MultiplyFloats(args, weight, four_bit ? weight.format().compute_dtype : DType::kF32,
                   std::move(x), products.data());
  }
  for (int64_t token = 0; token < args.tokens; ++token) {
    const double* product = products.data() + token * rows;
    if (IsGated(args.epilogue)) {
      float* out = args.out->as<float>() + token * (rows / 2);
      for (int64_t i = 0; i < rows / 2; ++i) {
        out[i] = static_cast<float>(Activate(args.epilogue, product[i]) * product[rows / 2 + i]);
      }
    } else {
      float* out = args.out->as<float>() + token * rows;
      const bool add = args.epilogue == LinearArgs::Epilogue::kAddTo;
      for (int64_t i = 0; i < rows; ++i) {
        out[i] = static_cast<float>((add ? out[i] : 0.0) + product[i]);
      }
    }
  }
}

}  // namespace gantry
