#include "plan/plan_costs.h"

#include <algorithm>

#include "plan/speed.h"

namespace gantry {
namespace {

constexpr MemoryKind kKinds[] = {MemoryKind::kGpu, MemoryKind::kCpu};

uint64_t Capped(uint64_t bytes) { return std::min(bytes, PlanCosts::kMaxCost); }

bool IsLayer(UnitKind kind) {
  return kind == UnitKind::kEncoderLayer || kind == UnitKind::kDecoderLayer;
}

// The scheme of a unit's largest weight.
Scheme MainScheme(const PlanUnit& unit, const SchemeRules& rules) {
  Scheme scheme = Scheme::kFp32;
  uint64_t most = 0;
  ForEachTensor(*unit.module, unit.name,
                [&](const std::string& module_name, const TreeModule& module, const std::string&,
                    const TreeTensor& tensor) {
                  if (tensor.is_buffer || tensor.elements <= most) return;
                  most = tensor.elements;
                  scheme = rules.Of(module_name, module, tensor).scheme;
                });
  return scheme;
}

bool EquallyFast(const HardwareDevice& a, const HardwareDevice& b) {
  return a.kind == b.kind && a.bytes_per_s == b.bytes_per_s && a.flops == b.flops &&
         a.int8_ops == b.int8_ops;
}

// Bytes of the cache that one step of all sequences reads in one decoder layer, on average.
double CacheRead(const ModelTree& tree, const SequenceShape& shape) {
  double elements = 0;
  double layers = 0;
  for (const PlanUnit& unit : tree.units) {
    if (unit.kind != UnitKind::kDecoderLayer) continue;
    double tokens = static_cast<double>(shape.context) / 2;
    if (unit.window > 0) tokens = std::min(tokens, static_cast<double>(unit.window));
    const double encoder =
        static_cast<double>(shape.encoder_tokens > 0 ? shape.encoder_tokens : shape.context);
    elements += tokens * static_cast<double>(unit.kv_elements_per_token) +
                encoder * static_cast<double>(unit.cross_kv_elements_per_token);
    layers += 1;
  }
  return layers == 0 ? 0 : elements / layers * static_cast<double>(shape.batch);
}

}  // namespace

UnitWeights ComputeUnitWeights(const ModelTree& tree, const WeightFormat& format,
                               const WeightFormat& cpu_format) {
  const SchemeRules rules(tree, format);
  const SchemeRules cpu_rules(tree, cpu_format);
  UnitWeights weights;
  for (const PlanUnit& unit : tree.units) {
    for (MemoryKind kind : kKinds) {
      weights.bytes[static_cast<int>(kind)].push_back(
          Capped(UnitWeightBytes(tree, unit, kind == MemoryKind::kGpu ? rules : cpu_rules, kind)));
    }
    weights.scheme.push_back(MainScheme(unit, rules));
  }
  return weights;
}

PlanCosts ComputePlanCosts(const ModelTree& tree, const UnitWeights& unit_weights,
                           const PlanWorkload& workload, const Hardware& hardware) {
  PlanCosts costs;
  const SequenceShape& shape = workload.shape;
  costs.num_units = static_cast<int>(tree.units.size());
  costs.weights = unit_weights.bytes;
  costs.first_layer = costs.num_units;
  std::array<SequenceShape, 2> shapes = {shape, shape};
  shapes[1].kv_dtype = DType::kF32;
  for (const PlanUnit& unit : tree.units) {
    const int u = static_cast<int>(costs.tied_unit.size());
    costs.tied_unit.push_back(unit.tied_unit);
    costs.computes_logits.push_back(unit.kind == UnitKind::kLmHead);
    if (IsLayer(unit.kind)) {
      costs.first_layer = std::min(costs.first_layer, u);
      costs.end_layer = u + 1;
    }
    for (MemoryKind kind : kKinds) {
      const int k = static_cast<int>(kind);
      costs.kv[k].push_back(Capped(UnitKvBytes(tree, unit, shapes[k])));
    }
  }
  for (MemoryKind kind : kKinds) costs.overhead[static_cast<int>(kind)] = DeviceOverheadBytes(kind);
  const auto bytes = [&](bool has_head) {
    return std::array<uint64_t, 2>{
        Capped(GpuActivationBytes(tree, shape, workload.format, has_head)),
        Capped(ActivationBytes(tree, shape, has_head))};
  };
  costs.activations = bytes(false);
  costs.head_activations = bytes(true);

  costs.devices = hardware.devices;
  costs.batch = shape.batch;
  costs.prompt_tokens = std::max<int64_t>(1, workload.prompt_tokens);
  costs.chunk_tokens = std::clamp<int64_t>(shape.step_tokens, 1, costs.prompt_tokens);
  const double batch = static_cast<double>(shape.batch);
  const double chunk = static_cast<double>(costs.chunk_tokens);
  const DType wire = workload.format.dtype;
  costs.decode_hop = HopSeconds(tree, wire, batch, hardware.network);
  costs.prefill_hop = HopSeconds(tree, wire, chunk, hardware.network);

  std::vector<int> representative;
  for (size_t d = 0; d < hardware.devices.size(); ++d) {
    const auto same = std::find_if(representative.begin(), representative.end(), [&](int r) {
      return EquallyFast(hardware.devices[r], hardware.devices[d]);
    });
    costs.device_class.push_back(static_cast<int>(same - representative.begin()));
    if (same == representative.end()) representative.push_back(static_cast<int>(d));
  }
  const double cache_elements = CacheRead(tree, shape);
  for (int r : representative) {
    const HardwareDevice& device = hardware.devices[r];
    const int k = static_cast<int>(device.kind);
    std::vector<double> decode;
    std::vector<double> prefill;
    for (int u = 0; u < costs.num_units; ++u) {
      const PlanUnit& unit = tree.units[u];
      const double weights = static_cast<double>(costs.weights[k][u]);
      const double active = static_cast<double>(unit.active_parameters);
      UnitWork work;
      work.kind = unit.kind;
      work.scheme =
          k == static_cast<int>(MemoryKind::kCpu) ? Scheme::kFp32 : unit_weights.scheme[u];
      work.bytes_read = weights * ShareRead(tree, unit, batch);
      if (unit.kind == UnitKind::kDecoderLayer) {
        work.bytes_read += cache_elements * DTypeSize(shapes[k].kv_dtype);
      }
      work.operations = 2 * active * batch;
      // The encoder has run before the first token.
      decode.push_back(unit.kind == UnitKind::kEncoderLayer ? 0 : UnitSeconds(work, device));

      const double rows = unit.kind == UnitKind::kLmHead ? 1 : chunk;
      work.bytes_read = weights * ShareRead(tree, unit, rows);
      work.operations = 2 * active * rows;
      if (IsLayer(unit.kind)) {
        // Scores and their products with the values, each token against half the prompt.
        work.operations += 2 * chunk * static_cast<double>(costs.prompt_tokens) *
                           static_cast<double>(tree.num_heads * tree.head_dim);
      }
      prefill.push_back(UnitSeconds(work, device));
    }
    costs.decode.push_back(std::move(decode));
    costs.prefill.push_back(std::move(prefill));
  }
  return costs;
}

}  // namespace gantry
