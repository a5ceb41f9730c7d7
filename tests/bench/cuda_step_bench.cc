// Steps of one token a sequence through layers of dummy weights on a GPU, without sockets: what the
// device takes, what the host takes to enqueue, and what remains without some of the ops. usage:
// cuda_step_bench [nf4|int8|bf16]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/dummy_weights.h"
#include "base/status_macros.h"
#include "kernels/cuda/cuda_backend.h"
#include "tests/bench/must.h"

namespace gantry {
namespace {

struct Shape {
  const char* name;
  int64_t layers, hidden, heads, kv_heads, head_dim, intermediate, vocab;
};
constexpr Shape kShapes[] = {{"Llama-3-8B", 32, 4096, 32, 8, 128, 14336, 128256},
                             {"TinyLlama", 22, 2048, 32, 4, 64, 5632, 32000},
                             {"Phi-3-mini", 32, 3072, 32, 32, 96, 8192, 32064}};
constexpr int kSteps = 40;
constexpr int64_t kBlock = 16;

// Which ops a step has.
struct Parts {
  const char* name;
  bool products, attention, head;
};
constexpr Parts kParts[] = {{"all", true, true, true},
                            {"no attention", true, false, true},
                            {"no head", true, true, false},
                            {"attention", false, true, false}};

struct Layer {
  std::unique_ptr<Matrix> qkv, o, gate_up, down;
  std::unique_ptr<KvCache> cache;
};

class Model {
 public:
  Model(Backend* backend, const Shape& shape, const MatrixFormat& format, int64_t batch,
        int64_t context)
      : backend_(backend), shape_(shape), batch_(batch) {
    const int64_t attention = shape.heads * shape.head_dim;
    const int64_t qkv = attention + 2 * shape.kv_heads * shape.head_dim;
    blocks_ = (context + kSteps * 8) / kBlock + 1;
    for (int64_t i = 0; i < shape.layers; ++i) {
      Layer layer;
      layer.qkv = Pack(format, qkv, shape.hidden, false);
      layer.o = Pack(format, shape.hidden, attention, false);
      layer.gate_up = Pack(format, 2 * shape.intermediate, shape.hidden, true);
      layer.down = Pack(format, shape.hidden, shape.intermediate, false);
      layer.cache = Must(backend->MakeKvCache(
          {blocks_ * batch, kBlock, shape.kv_heads, shape.head_dim, DType::kBF16}));
      layers_.push_back(std::move(layer));
    }
    MatrixFormat dense;
    dense.scheme.scheme = Scheme::kBf16;
    table_ = Pack(dense, shape.vocab, shape.hidden, false);
    std::vector<float> ones(shape.hidden, 1.0f);
    norm_ = Must(backend->Allocate(shape.hidden * 4));
    Must(backend->Upload(
        absl::MakeConstSpan(reinterpret_cast<const char*>(ones.data()), shape.hidden * 4),
        norm_.get(), 0));
    hidden_ = Must(backend->Allocate(batch * shape.hidden * 2));
    qkv_ = Must(backend->Allocate(batch * qkv * 2));
    attended_ = Must(backend->Allocate(batch * attention * 2));
    gated_ = Must(backend->Allocate(batch * shape.intermediate * 2));
    rows_ = Must(backend->Allocate(batch * shape.hidden * 2));
    logits_ = Must(backend->Allocate(batch * shape.vocab * 4));
    Must(backend->Reserve(
        {batch, batch, blocks_ * kBlock, shape.heads, shape.kv_heads, shape.head_dim}));
    position_ = context;
  }

  void Step(const Parts& parts) {
    StepLayout layout;
    layout.ropes.resize(1);
    for (int64_t i = 0; i < shape_.head_dim / 2; ++i) {
      layout.ropes[0].inv_freq.push_back(std::pow(10000.0f, -2.0f * i / shape_.head_dim));
    }
    layout.rows = static_cast<int32_t>(batch_);
    for (int32_t s = 0; s < batch_; ++s) {
      StepLayout::Slice slice;
      slice.first_row = s;
      slice.rows = 1;
      slice.start_position = static_cast<int32_t>(position_);
      slice.first_block = static_cast<int32_t>(layout.block_table.size());
      slice.num_blocks = static_cast<int32_t>(position_ / kBlock + 1);
      for (int32_t b = 0; b < slice.num_blocks; ++b) {
        layout.block_table.push_back(static_cast<int32_t>(s * blocks_ + b));
      }
      layout.slices.push_back(slice);
      layout.token_ids.push_back(17 + s);
      layout.logit_rows.push_back(s);
    }
    ++position_;
    Must(backend_->BeginStep(layout));
    Must(backend_->Enqueue(&parts, [&] { return Enqueue(parts); }));
    Must(backend_->EndStep());
  }

 private:
  std::unique_ptr<Matrix> Pack(const MatrixFormat& format, int64_t rows, int64_t cols, bool gated) {
    MatrixSource source;
    source.format = format;
    source.rows = rows;
    source.cols = cols;
    source.gated = gated;
    source.parts.resize(1);
    source.parts[0].rows = rows;
    source.parts[0].dummy = DummyWeights{++stream_, 0};
    source.parts[0].read = [](int64_t, int64_t, void*) {
      return absl::InternalError("dummy weights are made on the device");
    };
    return Must(backend_->Pack(source));
  }

  absl::Status Linear(const Buffer& x, bool norm, const Matrix& weight,
                      LinearArgs::Epilogue epilogue, Buffer* out) {
    LinearArgs args;
    args.x = &x;
    args.norm_weight = norm ? norm_.get() : nullptr;
    args.norm_eps = 1e-5f;
    args.weight = &weight;
    args.epilogue = epilogue;
    args.out = out;
    args.float_out = out == logits_.get();
    args.tokens = batch_;
    return backend_->Linear(args);
  }

  absl::Status Enqueue(const Parts& parts) {
    using Epilogue = LinearArgs::Epilogue;
    GANTRY_RETURN_IF_ERROR(backend_->Embed(*table_, hidden_.get()));
    for (const Layer& layer : layers_) {
      if (parts.products) {
        GANTRY_RETURN_IF_ERROR(Linear(*hidden_, true, *layer.qkv, Epilogue::kNone, qkv_.get()));
      }
      if (parts.attention) {
        AttentionArgs args;
        args.qkv = qkv_.get();
        args.out = attended_.get();
        args.cache = layer.cache.get();
        args.heads = shape_.heads;
        args.kv_heads = shape_.kv_heads;
        args.head_dim = shape_.head_dim;
        args.scale = 1 / std::sqrt(static_cast<float>(shape_.head_dim));
        GANTRY_RETURN_IF_ERROR(backend_->Attention(args));
      }
      if (!parts.products) continue;
      GANTRY_RETURN_IF_ERROR(Linear(*attended_, false, *layer.o, Epilogue::kAddTo, hidden_.get()));
      GANTRY_RETURN_IF_ERROR(
          Linear(*hidden_, true, *layer.gate_up, Epilogue::kSiluGate, gated_.get()));
      GANTRY_RETURN_IF_ERROR(Linear(*gated_, false, *layer.down, Epilogue::kAddTo, hidden_.get()));
    }
    GANTRY_RETURN_IF_ERROR(backend_->NoteNonFinite(*hidden_, shape_.hidden));
    GANTRY_RETURN_IF_ERROR(backend_->GatherLogitRows(*hidden_, shape_.hidden, rows_.get()));
    if (!parts.head) return absl::OkStatus();
    return Linear(*rows_, true, *table_, Epilogue::kNone, logits_.get());
  }

  Backend* const backend_;
  const Shape shape_;
  const int64_t batch_;
  int64_t blocks_ = 0;
  int64_t position_ = 0;
  uint64_t stream_ = 0;
  std::vector<Layer> layers_;
  std::unique_ptr<Matrix> table_;
  std::unique_ptr<Buffer> norm_, hidden_, qkv_, attended_, gated_, rows_, logits_;
};

void Run(const Shape& shape, const MatrixFormat& format, int64_t batch, int64_t context) {
  const std::unique_ptr<Backend> backend = Must(MakeCudaBackend(0));
  Must(backend->Configure({DType::kBF16, false}));
  Model model(backend.get(), shape, format, batch, context);
  for (const Parts& parts : kParts) {
    for (int i = 0; i < 3; ++i) model.Step(parts);
    Must(backend->Synchronize());
    // One behind the other, and each for itself.
    double begin = Now();
    for (int i = 0; i < kSteps / 2; ++i) model.Step(parts);
    const double enqueued = Now() - begin;
    Must(backend->Synchronize());
    const double together = Now() - begin;
    begin = Now();
    for (int i = 0; i < kSteps / 2; ++i) {
      model.Step(parts);
      Must(backend->Synchronize());
    }
    const double apart = Now() - begin;
    std::printf(
        "%-10s %-4s batch %-3ld context %-5ld %-13s %8.3f ms a step, %8.3f alone, %8.3f to "
        "enqueue\n",
        shape.name, std::string(SchemeName(format.scheme.scheme)).c_str(), static_cast<long>(batch),
        static_cast<long>(context), parts.name, together * 2e3 / kSteps, apart * 2e3 / kSteps,
        enqueued * 2e3 / kSteps);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) {
  using namespace gantry;
  MatrixFormat format;
  const std::string scheme = argc > 1 ? argv[1] : "nf4";
  format.scheme.scheme = scheme == "int8"   ? Scheme::kInt8
                         : scheme == "bf16" ? Scheme::kBf16
                                            : Scheme::kNf4;
  format.compute_dtype = DType::kBF16;
  for (const Shape& shape : kShapes) {
    for (const int64_t batch : {1, 8, 32, 48, 128}) Run(shape, format, batch, 256);
  }
}
