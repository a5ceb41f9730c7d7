#ifndef GANTRY_BASE_QUANTISATION_CONSTANTS_H_
#define GANTRY_BASE_QUANTISATION_CONSTANTS_H_

namespace gantry {

// The numbers of bitsandbytes' formats, for the host and for kernels. No functions: files that are
// compiled for one instruction set include this.

struct FourBitCodeBook {
  float values[16];
};

// bitsandbytes/functional.py, get_4bit_type("nf4"): quantiles of a normal distribution.
inline constexpr FourBitCodeBook kNf4CodeBook = {
    {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
     -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
     0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
     0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f}};

// get_4bit_type("fp4"): sign, two bits of exponent, one of mantissa, in the order of the bits,
// divided by the largest.
inline constexpr FourBitCodeBook kFp4CodeBook = {
    {0.0f, 0.0625f / 12, 8.0f / 12, 12.0f / 12, 4.0f / 12, 6.0f / 12, 2.0f / 12, 3.0f / 12, 0.0f,
     -0.0625f / 12, -8.0f / 12, -12.0f / 12, -4.0f / 12, -6.0f / 12, -2.0f / 12, -3.0f / 12}};

// bitsandbytes/_ops.py, int8_vectorwise_dequant: 1 / 127.
inline constexpr float kInt8WeightUnit = 7.874015718698502e-3f;
// 1 / 127^2 as bitsandbytes has it: the unit of an int8 product of codes, SCB and row absmax.
inline constexpr float kInt8ProductUnit = 6.200012e-05f;

}  // namespace gantry

#endif  // GANTRY_BASE_QUANTISATION_CONSTANTS_H_
