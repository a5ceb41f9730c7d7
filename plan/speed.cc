#include "plan/speed.h"

#include <algorithm>
#include <cmath>

namespace gantry {
namespace {

double GpuBandwidthShare(Scheme scheme) {
  switch (scheme) {
    case Scheme::kNf4:
    case Scheme::kFp4:
      return kFourBitBandwidthShare;
    case Scheme::kInt8:
      return kInt8BandwidthShare;
    case Scheme::kFp32:
    case Scheme::kFp16:
    case Scheme::kBf16:
      break;
  }
  return kUnquantisedBandwidthShare;
}

double OperationsPerSecond(Scheme scheme, const HardwareDevice& device) {
  if (device.kind == MemoryKind::kCpu) return device.flops * kCpuFlopsShare;
  if (scheme == Scheme::kInt8) return device.int8_ops * kInt8TensorShare;
  if (scheme == Scheme::kFp32) return device.flops * kFp32OfTensorPeak;
  return device.flops * kTensorShare;
}

int Kernels(UnitKind kind) {
  switch (kind) {
    case UnitKind::kEncoderLayer:
    case UnitKind::kDecoderLayer:
      return kKernelsPerLayer;
    case UnitKind::kLmHead:
    case UnitKind::kProjection:
      return kKernelsPerHead;
    case UnitKind::kEmbedding:
    case UnitKind::kRotary:
    case UnitKind::kNorm:
      break;
  }
  return 0;
}

}  // namespace

double UnitSeconds(const UnitWork& work, const HardwareDevice& device) {
  // Lookups, frequencies and norms between layers take too little to tell devices apart.
  if (Kernels(work.kind) == 0) return 0;
  const bool cpu = device.kind == MemoryKind::kCpu;
  const double share = cpu ? kCpuBandwidthShare : GpuBandwidthShare(work.scheme);
  const double reading = work.bytes_read / (device.bytes_per_s * share);
  const double computing = work.operations / OperationsPerSecond(work.scheme, device);
  const double launching = cpu ? 0 : Kernels(work.kind) * kKernelLaunchSeconds;
  return std::max(reading, computing) + launching;
}

double ShareRead(const ModelTree& tree, const PlanUnit& unit, double tokens) {
  if (unit.kind == UnitKind::kEmbedding || unit.kind == UnitKind::kRotary) return 0;
  const double all = static_cast<double>(unit.module->parameters);
  const double active = static_cast<double>(unit.active_parameters);
  const double experts = static_cast<double>(tree.num_experts);
  const double chosen = static_cast<double>(tree.experts_per_token);
  if (experts <= chosen || chosen <= 0 || active >= all) return 1;
  const double expert = (all - active) / (experts - chosen);
  const double touched = experts * (1 - std::pow(1 - chosen / experts, tokens));
  return std::clamp((active - chosen * expert + touched * expert) / all, 0.0, 1.0);
}

double HopSeconds(const ModelTree& tree, DType dtype, double tokens, const NetworkLink& link) {
  const double bytes = tokens * static_cast<double>(tree.hidden_size) * DTypeSize(dtype);
  return link.latency_s + bytes / link.bytes_per_s;
}

}  // namespace gantry
