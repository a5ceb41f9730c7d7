#include "worker/weights.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

int64_t Elements(const TensorSpec& tensor) {
  int64_t count = 1;
  for (const int64_t size : tensor.shape) count *= size;
  return count;
}

class ModuleLoader {
 public:
  ModuleLoader(const WeightSource& source, Backend* backend, const BytesRead& bytes_read)
      : source_(source), backend_(backend), bytes_read_(bytes_read) {}

  absl::StatusOr<std::unique_ptr<Buffer>> LoadVector(const std::vector<TensorSpec>& parts) {
    std::vector<float> values;
    for (const TensorSpec& part : parts) {
      const int64_t count = Elements(part);
      values.resize(values.size() + count);
      GANTRY_RETURN_IF_ERROR(source_.Read(part, 0, count, values.data() + values.size() - count));
      GANTRY_RETURN_IF_ERROR(bytes_read_(source_.TensorBytes(part)));
    }
    if (values.empty()) return nullptr;
    const size_t bytes = values.size() * sizeof(float);
    GANTRY_ASSIGN_OR_RETURN(std::unique_ptr<Buffer> buffer, backend_->Allocate(bytes));
    GANTRY_RETURN_IF_ERROR(backend_->Upload(
        absl::MakeConstSpan(reinterpret_cast<const char*>(values.data()), bytes), buffer.get(), 0));
    GANTRY_RETURN_IF_ERROR(backend_->Synchronize());
    return buffer;
  }

  absl::StatusOr<std::unique_ptr<Buffer>> LoadNorm(const TensorSpec& norm) {
    return LoadVector({norm});
  }

  absl::StatusOr<LinearWeights> LoadLinear(const LinearSpec& spec, const MatrixFormat& format,
                                           bool gated = false) {
    LinearWeights weights;
    MatrixSource from;
    from.format = format;
    from.rows = spec.rows;
    from.cols = spec.cols;
    from.gated = gated;
    for (const TensorSpec& tensor : spec.weights) {
      GANTRY_ASSIGN_OR_RETURN(MatrixPart part, source_.Part(tensor, format.scheme));
      CountBytes(source_.TensorBytes(tensor), &part);
      from.parts.push_back(std::move(part));
    }
    absl::StatusOr<std::unique_ptr<Matrix>> matrix = backend_->Pack(from);
    if (!matrix.ok()) return Annotate(matrix.status(), spec.weights[0].name);
    weights.matrix = *std::move(matrix);
    GANTRY_ASSIGN_OR_RETURN(weights.bias, LoadVector(spec.biases));
    return weights;
  }

 private:
  // Lets the part report the `bytes` of its tensor as it is read.
  void CountBytes(uint64_t bytes, MatrixPart* part) {
    if (part->read != nullptr) {
      part->read = [this, bytes, rows = part->rows, read = std::move(part->read)](
                       int64_t first, int64_t count, void* out) {
        GANTRY_RETURN_IF_ERROR(read(first, count, out));
        // A row of a quantised tensor may have no whole number of bytes.
        const auto before = [&](int64_t row) {
          return static_cast<uint64_t>(static_cast<double>(bytes) * row / rows);
        };
        return bytes_read_(before(first + count) - before(first));
      };
    }
    if (part->read_packed != nullptr) {
      part->read_packed = [this, bytes,
                           read = std::move(part->read_packed)]() -> absl::StatusOr<PackedTensor> {
        absl::StatusOr<PackedTensor> packed = read();
        GANTRY_RETURN_IF_ERROR(packed.status());
        GANTRY_RETURN_IF_ERROR(bytes_read_(bytes));
        return packed;
      };
    }
  }

  const WeightSource& source_;
  Backend* backend_;
  const BytesRead& bytes_read_;
};

// The matrix of another module with the same tensor: the tied lm_head is the embedding.
std::shared_ptr<Matrix> FindShared(const ModuleSpec& spec, const MatrixFormat& format,
                                   const WeightMap& loaded) {
  for (const auto& [name, other] : loaded) {
    if (other->matrix.matrix != nullptr && other->format.matrix == format &&
        other->spec.matrix.weights[0].name == spec.matrix.weights[0].name) {
      return other->matrix.matrix;
    }
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ModuleWeights>> LoadModule(
    const ModuleSpec& spec, const ModuleFormat& format, const WeightSource& source,
    const WeightMap& loaded, Backend* backend, const BytesRead& bytes_read) {
  ModuleLoader loader(source, backend, bytes_read);
  auto weights = std::make_shared<ModuleWeights>();
  weights->spec = spec;
  weights->format = format;
  switch (spec.kind) {
    case ModuleKind::kEmbedding:
    case ModuleKind::kLmHead:
      weights->matrix.matrix = FindShared(spec, format.matrix, loaded);
      if (weights->matrix.matrix == nullptr) {
        GANTRY_ASSIGN_OR_RETURN(weights->matrix, loader.LoadLinear(spec.matrix, format.matrix));
      }
      break;
    case ModuleKind::kLayer: {
      GANTRY_ASSIGN_OR_RETURN(weights->input_norm, loader.LoadNorm(spec.input_norm));
      GANTRY_ASSIGN_OR_RETURN(weights->post_attention_norm,
                              loader.LoadNorm(spec.post_attention_norm));
      GANTRY_ASSIGN_OR_RETURN(weights->qkv, loader.LoadLinear(spec.qkv, format.qkv));
      GANTRY_ASSIGN_OR_RETURN(weights->o, loader.LoadLinear(spec.o, format.o));
      GANTRY_ASSIGN_OR_RETURN(weights->gate_up,
                              loader.LoadLinear(spec.gate_up, format.gate_up, /*gated=*/true));
      GANTRY_ASSIGN_OR_RETURN(weights->down, loader.LoadLinear(spec.down, format.down));
      break;
    }
    case ModuleKind::kNorm:
      GANTRY_ASSIGN_OR_RETURN(weights->norm, loader.LoadNorm(spec.norm));
      break;
  }
  return std::shared_ptr<const ModuleWeights>(std::move(weights));
}

uint64_t SourceBytes(const ModuleSpec& spec, const WeightSource& source) {
  uint64_t bytes = 0;
  for (const TensorSpec& tensor : ModuleTensors(spec)) {
    bytes += source.TensorBytes(tensor);
  }
  return bytes;
}

uint64_t NeededBytes(const ModuleSpec& spec, const ModuleFormat& format, const Backend& backend) {
  uint64_t bytes = 0;
  for (const TensorSpec& tensor : ModuleTensors(spec)) {
    if (tensor.shape.size() == 1) bytes += tensor.shape[0] * sizeof(float);
  }
  for (const auto& [linear, matrix] : ModuleMatrices(spec, format)) {
    bytes += backend.PackedBytes(*matrix, linear->rows, linear->cols);
  }
  return bytes;
}

uint64_t MeasuredBytes(const WeightMap& weights) {
  uint64_t bytes = 0;
  std::set<const Matrix*> counted;
  for (const auto& [name, module] : weights) {
    for (const Buffer* buffer :
         {module->input_norm.get(), module->post_attention_norm.get(), module->norm.get(),
          module->qkv.bias.get(), module->o.bias.get(), module->gate_up.bias.get(),
          module->down.bias.get(), module->matrix.bias.get()}) {
      if (buffer != nullptr) bytes += buffer->bytes();
    }
    for (const LinearWeights* linear :
         {&module->qkv, &module->o, &module->gate_up, &module->down, &module->matrix}) {
      const Matrix* matrix = linear->matrix.get();
      if (matrix != nullptr && counted.insert(matrix).second) bytes += matrix->bytes();
    }
  }
  return bytes;
}

}  // namespace gantry
