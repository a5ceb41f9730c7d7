#include "worker/weight_source.h"

#include "base/dtype.h"
#include "base/dummy_weights.h"

namespace gantry {
namespace {

class CheckpointSource : public WeightSource {
 public:
  explicit CheckpointSource(const Checkpoint* checkpoint) : checkpoint_(checkpoint) {}

  absl::Status Read(const TensorSpec& tensor, int64_t first, int64_t count,
                    float* out) const override {
    return checkpoint_->ReadTensor(tensor.name, first, count, out);
  }
  MatrixPart Part(const TensorSpec& tensor) const override {
    MatrixPart part;
    part.rows = tensor.shape[0];
    part.read = [this, tensor](int64_t first, int64_t count, void* out) {
      const int64_t cols = tensor.shape[1];
      return Read(tensor, first * cols, count * cols, static_cast<float*>(out));
    };
    return part;
  }
  int ElementBytes(const TensorSpec& tensor) const override {
    return DTypeSize(checkpoint_->TensorDType(tensor.name));
  }

 private:
  const Checkpoint* checkpoint_;
};

class DummySource : public WeightSource {
 public:
  explicit DummySource(uint64_t seed) : seed_(seed) {}

  absl::Status Read(const TensorSpec& tensor, int64_t first, int64_t count,
                    float* out) const override {
    FillDummyWeights(DummyWeightsOf(seed_, tensor.name), first, count, out);
    return absl::OkStatus();
  }
  MatrixPart Part(const TensorSpec& tensor) const override {
    const DummyWeights weights = DummyWeightsOf(seed_, tensor.name);
    MatrixPart part;
    part.rows = tensor.shape[0];
    part.read = [weights, cols = tensor.shape[1]](int64_t first, int64_t count, void* out) {
      FillDummyWeights(weights, first * cols, count * cols, static_cast<float*>(out));
      return absl::OkStatus();
    };
    part.dummy = weights;
    return part;
  }
  int ElementBytes(const TensorSpec&) const override { return sizeof(float); }

 private:
  const uint64_t seed_;
};

}  // namespace

std::unique_ptr<WeightSource> MakeCheckpointSource(const Checkpoint* checkpoint) {
  return std::make_unique<CheckpointSource>(checkpoint);
}

std::unique_ptr<WeightSource> MakeDummySource(uint64_t seed) {
  return std::make_unique<DummySource>(seed);
}

}  // namespace gantry
