#ifndef GANTRY_PLAN_SPEED_H_
#define GANTRY_PLAN_SPEED_H_

#include <cstdint>

#include "plan/device_spec.h"
#include "plan/memory.h"
#include "plan/model_tree.h"
#include "plan/quantization.h"

namespace gantry {

// A prediction of time from bytes and operations:
//   a layer's step = max(bytes read / reached bandwidth, operations / reached throughput)
//                    + kernels * launch
//   a token        = sum of the layers + (stages + 1) * (latency + activations / link)
// The shares below say what Gantry's kernels are to reach first of a vendor's peak: the column
// "first" of the project's targets, on an H200 whose readable bandwidth is 0.91 of its peak.

// Share of the peak bandwidth at which weights are read.
inline constexpr double kFourBitBandwidthShare = 0.50;
inline constexpr double kInt8BandwidthShare = 0.65;
inline constexpr double kUnquantisedBandwidthShare = 0.75;
inline constexpr double kCpuBandwidthShare = 0.75;
// Of a GPU's peak bandwidth, what a kernel that only reads measures.
inline constexpr double kGpuReadableShare = 0.91;
// Share of the peak throughput that long products reach: 0.55 of cuBLAS, which reaches 0.80. Int8
// is to be as fast as 16 bits, so half of that of twice the peak.
inline constexpr double kTensorShare = 0.44;
inline constexpr double kInt8TensorShare = 0.22;
inline constexpr double kCpuFlopsShare = 0.55;
// Of the tensor cores' 16-bit peak, what fp32 without them reaches. From a half (GeForce) to a
// sixteenth (A100, H100).
inline constexpr double kFp32OfTensorPeak = 0.125;
inline constexpr double kKernelLaunchSeconds = 1.3e-6;
inline constexpr int kKernelsPerLayer = 8;
inline constexpr int kKernelsPerHead = 2;

// What a unit of the model asks of a device in one step.
struct UnitWork {
  UnitKind kind = UnitKind::kDecoderLayer;
  Scheme scheme = Scheme::kFp32;  // of its largest weight, on that kind of device
  double bytes_read = 0;          // weights and cache
  double operations = 0;          // multiplications and additions, each counted
};

// Seconds of one step of the unit.
double UnitSeconds(const UnitWork& work, const HardwareDevice& device);

// Share of a unit's weights that a step of `tokens` tokens reads: of a mixture, the experts that at
// least one of them is expected to choose; of an embedding, nothing worth counting.
double ShareRead(const ModelTree& tree, const PlanUnit& unit, double tokens);

// Seconds in which the activations of `tokens` tokens reach the next stage.
double HopSeconds(const ModelTree& tree, DType dtype, double tokens, const NetworkLink& link);

}  // namespace gantry

#endif  // GANTRY_PLAN_SPEED_H_
