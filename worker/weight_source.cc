#include "worker/weight_source.h"

#include "absl/strings/str_cat.h"
#include "base/dtype.h"
#include "base/dummy_weights.h"
#include "worker/module_format.h"

namespace gantry {
namespace {

class CheckpointSource : public WeightSource {
 public:
  explicit CheckpointSource(const Checkpoint* checkpoint) : checkpoint_(checkpoint) {}

  absl::Status Read(const TensorSpec& tensor, int64_t first, int64_t count,
                    float* out) const override {
    return checkpoint_->ReadTensor(tensor.name, first, count, out);
  }
  absl::StatusOr<MatrixPart> Part(const TensorSpec& tensor,
                                  const TensorScheme& scheme) const override {
    MatrixPart part;
    part.rows = tensor.shape[0];
    const TensorScheme stored = checkpoint_->StoredScheme(tensor.name);
    const int64_t cols = tensor.shape[1];
    if (!IsQuantised(stored.scheme)) {
      part.dtype = checkpoint_->TensorDType(tensor.name);
      part.read = [this, name = tensor.name, cols](int64_t first, int64_t count, void* out) {
        return checkpoint_->ReadRaw(name, first * cols, count * cols, out);
      };
      return part;
    }
    if (!IsQuantised(scheme.scheme)) {
      part.read = [this, name = tensor.name, cols](int64_t first, int64_t count, void* out) {
        return checkpoint_->ReadTensor(name, first * cols, count * cols, static_cast<float*>(out));
      };
      return part;
    }
    if (stored != scheme) {
      // No flag asks for another block.
      constexpr int64_t kBlock = TensorScheme().block_size;
      const bool other_block = IsFourBit(stored.scheme) && stored.block_size != kBlock;
      return absl::InvalidArgumentError(absl::StrCat(
          checkpoint_->folder(), ": tensor \"", tensor.name, "\": stored as ", Describe(stored),
          ", wanted as ", Describe(scheme),
          other_block
              ? absl::StrCat("; Gantry takes blocks of ", kBlock,
                             ": quantize the original model again")
              : "; a quantised checkpoint keeps its scheme: ask for that one, or take the original "
                "weights"));
    }
    part.read_packed = [this, name = tensor.name] { return checkpoint_->ReadPacked(name); };
    return part;
  }
  uint64_t TensorBytes(const TensorSpec& tensor) const override {
    return checkpoint_->TensorBytes(tensor.name);
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
  absl::StatusOr<MatrixPart> Part(const TensorSpec& tensor, const TensorScheme&) const override {
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
  uint64_t TensorBytes(const TensorSpec& tensor) const override {
    uint64_t bytes = sizeof(float);
    for (const int64_t size : tensor.shape) bytes *= size;
    return bytes;
  }

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
