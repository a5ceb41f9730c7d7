#include "worker/quantise_model.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/reference/quantize.h"
#include "model/hub.h"
#include "model/quantised_parts.h"
#include "plan/quantization.h"
#include "worker/output_folder.h"

namespace gantry {
namespace {

constexpr char kConfigName[] = "config.json";
// Elements that are converted at a time.
constexpr int64_t kPiece = 1 << 20;
// What tensors under way may take in memory, and what an element of one takes: a float, a code.
constexpr int64_t kMemory = int64_t{4} << 30;
constexpr int64_t kElementBytes = 5;

// A tensor of the model and what is written of it.
struct Item {
  TensorSpec spec;
  int64_t elements = 1;
  TensorScheme scheme;
  DType dtype = DType::kF32;  // rounded to, before it is quantised
  std::vector<TensorToWrite> parts;
};

// The files that are written.
struct Shards {
  std::vector<std::string> names;
  std::vector<std::unique_ptr<SafetensorsWriter>> writers;
  std::map<std::string, size_t> places;  // by tensor
  uint64_t bytes = 0;
};

DType DTypeOfScheme(Scheme scheme) {
  if (scheme == Scheme::kFp16) return DType::kF16;
  return scheme == Scheme::kBf16 ? DType::kBF16 : DType::kF32;
}

class Quantiser {
 public:
  Quantiser(const ModelToQuantise& model, const QuantiseOptions& options,
            const std::function<void(uint64_t, uint64_t)>& on_progress)
      : checkpoint_(*model.checkpoint),
        config_(model.config),
        tree_(model.tree),
        options_(options),
        on_progress_(on_progress) {}

  absl::StatusOr<QuantisedModel> Run();

 private:
  absl::Status ListItems();
  // The first pass. The offset of nested statistics is written as text, whose length decides where
  // everything behind it lies; with it all sizes are known. Quantising twice keeps memory small.
  absl::Status ListParts();
  absl::StatusOr<Shards> CreateShards(const std::string& folder) const;
  absl::Status WriteItem(const Item& item, Shards* shards) const;
  absl::Status WritePlain(const Item& item, Shards* shards) const;
  absl::StatusOr<PackedTensor> Quantise(const Item& item) const;
  absl::Status WriteConfig(const std::string& folder) const;
  // Calls body(item) for each item on several threads, until one fails.
  absl::Status ForEachItem(const std::function<absl::Status(Item*)>& body);
  void AddProgress(uint64_t elements);

  const Checkpoint& checkpoint_;
  const Json& config_;
  const ModelTree& tree_;
  const QuantiseOptions& options_;
  const std::function<void(uint64_t, uint64_t)>& on_progress_;
  DType dtype_ = DType::kF32;
  std::vector<Item> items_;  // in the model's order
  absl::Mutex mutex_;
  uint64_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t total_ = 0;  // elements of both passes
};

absl::Status Quantiser::ListItems() {
  const ModelConfig& config = checkpoint_.config();
  dtype_ = options_.dtype.value_or(
      config.dtype.value_or(checkpoint_.TensorDType("model.embed_tokens.weight")));
  WeightFormat format;
  format.dtype = dtype_;
  format.quantization = options_.quantization;
  const SchemeRules rules(tree_, format);
  std::map<std::string, TensorScheme> schemes;
  ForEachTensor(*tree_.root, "",
                [&](const std::string& module_name, const TreeModule& module,
                    const std::string& name, const TreeTensor& tensor) {
                  schemes.emplace(name, rules.Of(module_name, module, tensor));
                });
  std::set<std::string> listed;  // a tied head has the embedding's
  for (const ModuleSpec& module : checkpoint_.modules()) {
    for (const TensorSpec& tensor : ModuleTensors(module)) {
      if (!listed.insert(tensor.name).second) continue;
      const auto scheme = schemes.find(tensor.name);
      if (scheme == schemes.end()) {
        return absl::InternalError(absl::StrCat("no scheme for tensor \"", tensor.name, "\""));
      }
      Item item;
      item.spec = tensor;
      for (const int64_t size : tensor.shape) item.elements *= size;
      item.scheme = scheme->second;
      item.dtype = IsQuantised(item.scheme.scheme) ? dtype_ : DTypeOfScheme(item.scheme.scheme);
      total_ += item.elements * (item.scheme.double_quant ? 2 : 1);
      items_.push_back(std::move(item));
    }
  }
  return absl::OkStatus();
}

absl::Status Quantiser::ForEachItem(const std::function<absl::Status(Item*)>& body) {
  int64_t largest = 1;
  for (const Item& item : items_) largest = std::max(largest, item.elements * kElementBytes);
  const int64_t most = options_.threads > 0 ? options_.threads : AvailableCores();
  const int64_t count = std::clamp<int64_t>(kMemory / largest, 1, most);
  std::atomic<size_t> next{0};
  absl::Mutex mutex;
  absl::Status first_error;
  auto run = [&] {
    for (size_t i = next++; i < items_.size(); i = next++) {
      const absl::Status status = body(&items_[i]);
      if (status.ok()) continue;
      next = items_.size();
      absl::MutexLock lock(&mutex);
      first_error.Update(status);
    }
  };
  std::vector<std::thread> threads;
  for (int64_t i = 1; i < count; ++i) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
  return first_error;
}

void Quantiser::AddProgress(uint64_t elements) {
  absl::MutexLock lock(&mutex_);
  done_ += elements;
  on_progress_(done_, total_);
}

absl::StatusOr<PackedTensor> Quantiser::Quantise(const Item& item) const {
  std::vector<float> values(item.elements);
  GANTRY_RETURN_IF_ERROR(checkpoint_.ReadTensor(item.spec.name, 0, item.elements, values.data()));
  RoundFloats(item.dtype, values.size(), values.data());
  absl::StatusOr<PackedTensor> packed =
      gantry::Quantise(item.scheme, item.spec.shape[0], item.spec.shape[1], values);
  if (packed.ok()) return packed;
  return Annotate(packed.status(),
                  absl::StrCat(checkpoint_.folder(), ": tensor \"", item.spec.name, "\""));
}

absl::Status Quantiser::ListParts() {
  return ForEachItem([this](Item* item) -> absl::Status {
    const std::vector<int64_t>& shape = item->spec.shape;
    if (!IsQuantised(item->scheme.scheme)) {
      item->parts = {{item->spec.name, item->dtype, {shape.begin(), shape.end()}}};
      return absl::OkStatus();
    }
    QuantState state;
    state.scheme = item->scheme;
    state.dtype = item->dtype;
    state.rows = shape[0];
    state.cols = shape[1];
    if (item->scheme.double_quant) {
      GANTRY_ASSIGN_OR_RETURN(const PackedTensor packed, Quantise(*item));
      state.nested_offset = packed.nested_offset;
      AddProgress(item->elements);
    }
    GANTRY_ASSIGN_OR_RETURN(
        item->parts,
        QuantisedParts(item->spec.name, state, options_.quantization.bnb_4bit_quant_storage));
    return absl::OkStatus();
  });
}

absl::StatusOr<Shards> Quantiser::CreateShards(const std::string& folder) const {
  Shards shards;
  std::vector<std::vector<TensorToWrite>> files(1);
  uint64_t in_file = 0;
  for (const Item& item : items_) {
    for (const TensorToWrite& part : item.parts) {
      const uint64_t bytes = DataBytes(part);
      if (in_file > 0 && in_file + bytes > options_.max_shard_bytes) {
        files.emplace_back();
        in_file = 0;
      }
      shards.places[part.name] = files.size() - 1;
      files.back().push_back(part);
      in_file += bytes;
      shards.bytes += bytes;
    }
  }
  for (size_t i = 0; i < files.size(); ++i) {
    shards.names.push_back(
        files.size() == 1 ? "model.safetensors"
                          : absl::StrFormat("model-%05d-of-%05d.safetensors", i + 1, files.size()));
    GANTRY_ASSIGN_OR_RETURN(
        std::unique_ptr<SafetensorsWriter> writer,
        SafetensorsWriter::Create(JoinPath(folder, shards.names[i]), std::move(files[i])));
    shards.writers.push_back(std::move(writer));
  }
  return shards;
}

absl::Status Quantiser::WriteItem(const Item& item, Shards* shards) const {
  if (!IsQuantised(item.scheme.scheme)) return WritePlain(item, shards);
  GANTRY_ASSIGN_OR_RETURN(const PackedTensor packed, Quantise(item));
  return WriteQuantisedParts(item.spec.name, packed, item.dtype,
                             [shards](const std::string& part, absl::Span<const char> data) {
                               return shards->writers[shards->places.at(part)]->Write(part, data);
                             });
}

absl::Status Quantiser::WritePlain(const Item& item, Shards* shards) const {
  const std::string& name = item.spec.name;
  const int64_t size = DTypeSize(item.dtype);
  std::vector<char> data(item.elements * size);
  if (checkpoint_.TensorDType(name) == item.dtype) {
    GANTRY_RETURN_IF_ERROR(checkpoint_.ReadRaw(name, 0, item.elements, data.data()));
  } else {
    std::vector<float> piece(std::min(item.elements, kPiece));
    for (int64_t at = 0; at < item.elements; at += kPiece) {
      const int64_t count = std::min(item.elements - at, kPiece);
      GANTRY_RETURN_IF_ERROR(checkpoint_.ReadTensor(name, at, count, piece.data()));
      FromFloat(item.dtype, piece.data(), count, data.data() + at * size);
    }
  }
  return shards->writers[shards->places.at(name)]->Write(name, data);
}

absl::Status WriteIndex(const std::string& folder, const Shards& shards) {
  Json index;
  index["metadata"]["total_size"] = shards.bytes;
  Json& map = index["weight_map"] = Json::object();
  for (const auto& [tensor, place] : shards.places) {
    map.get_ref<Json::object_t&>().push_back({tensor, shards.names[place]});
  }
  return WriteFile(JoinPath(folder, "model.safetensors.index.json"),
                   absl::StrCat(DumpJson(index, 2), "\n"));
}

absl::Status Quantiser::WriteConfig(const std::string& folder) const {
  Json config = config_;
  bool named = false;
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (!config.contains(key)) continue;
    config[key] = std::string(TorchName(dtype_));
    named = true;
  }
  if (!named) config["dtype"] = std::string(TorchName(dtype_));
  config["quantization_config"] = QuantizationOptionsToJson(options_.quantization);
  return WriteFile(JoinPath(folder, kConfigName), absl::StrCat(DumpJson(config, 2), "\n"));
}

absl::StatusOr<QuantisedModel> Quantiser::Run() {
  GANTRY_ASSIGN_OR_RETURN(OutputFolder output, OutputFolder::Create(options_.output));
  GANTRY_RETURN_IF_ERROR(ListItems());
  GANTRY_RETURN_IF_ERROR(ListParts());
  GANTRY_ASSIGN_OR_RETURN(Shards shards, CreateShards(output.path()));
  GANTRY_RETURN_IF_ERROR(ForEachItem([&](Item* item) {
    const absl::Status written = WriteItem(*item, &shards);
    if (written.ok()) AddProgress(item->elements);
    return written;
  }));
  for (const std::unique_ptr<SafetensorsWriter>& writer : shards.writers) {
    GANTRY_RETURN_IF_ERROR(writer->Finish());
  }
  if (shards.names.size() > 1) GANTRY_RETURN_IF_ERROR(WriteIndex(output.path(), shards));
  GANTRY_RETURN_IF_ERROR(WriteConfig(output.path()));
  GANTRY_RETURN_IF_ERROR(CopySideFiles(checkpoint_.folder(), output.path()));
  GANTRY_RETURN_IF_ERROR(output.Commit());
  QuantisedModel written;
  written.bytes = shards.bytes;
  written.files = static_cast<int>(shards.names.size());
  written.dtype = dtype_;
  for (const Item& item : items_) written.weights += IsQuantised(item.scheme.scheme);
  return written;
}

}  // namespace

absl::StatusOr<ModelToQuantise> OpenModelToQuantise(const std::string& name) {
  GANTRY_ASSIGN_OR_RETURN(const std::string folder, ResolveModel(name));
  ModelToQuantise model;
  GANTRY_ASSIGN_OR_RETURN(model.config, ReadJsonFile(JoinPath(folder, kConfigName)));
  if (model.config.is_object() && FindMember(model.config, "quantization_config") != nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(JoinPath(folder, kConfigName),
                     ": quantization_config: the model is quantised already; take the original"));
  }
  GANTRY_ASSIGN_OR_RETURN(model.checkpoint, Checkpoint::Open(folder));
  GANTRY_ASSIGN_OR_RETURN(model.tree, BuildModelTree(model.config, folder));
  return model;
}

absl::StatusOr<QuantisedModel> QuantiseModel(
    const ModelToQuantise& model, const QuantiseOptions& options,
    const std::function<void(uint64_t done, uint64_t total)>& on_progress) {
  return Quantiser(model, options, on_progress).Run();
}

}  // namespace gantry
