#ifndef GANTRY_KERNELS_REFERENCE_REFERENCE_LINEAR_H_
#define GANTRY_KERNELS_REFERENCE_REFERENCE_LINEAR_H_

#include <cstdint>

#include "kernels/backend.h"

namespace gantry {

// Backend::Linear in every scheme, all sums in double. What is rounded, and when:
//
// fp32, fp16, bf16: the weights, to that type. Activations, bias and result are fp32.
// nf4, fp4: activations, weights, bias and result, to the compute dtype.
// int8: activations to fp16, also within the norm before (NormIsF16), then as quantize.h says. The
// integer product, times the absmax of token
//   and row, plus the bias in fp16, is rounded to fp16; so is its sum with the outliers' products,
//   of fp16 activations with what the codes stand for in fp16 (bitsandbytes 0.50 takes that even
//   where it holds the weights in 16 bits; here the copy is taken when there is one).
//
// Activation, gate and residual follow in fp32.
void ReferenceLinear(const LinearArgs& args);

// out = x * rsqrt(mean(x^2) + eps) * weight, each [n], rounded to float after each factor as in
// transformers, after the first one to `factor`.
void ReferenceRmsNorm(const float* x, const float* weight, float eps, int64_t n, DType factor,
                      float* out);

}  // namespace gantry

#endif  // GANTRY_KERNELS_REFERENCE_REFERENCE_LINEAR_H_
