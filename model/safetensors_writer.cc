#include "model/safetensors_writer.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/json.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr size_t kAlignment = 8;

// The order of the format's own list of types, from the back.
int Rank(DType dtype) {
  constexpr DType kOrder[] = {DType::kI64, DType::kF64, DType::kF32, DType::kI32, DType::kBF16,
                              DType::kF16, DType::kI16, DType::kI8,  DType::kU8,  DType::kBool};
  return static_cast<int>(std::find(std::begin(kOrder), std::end(kOrder), dtype) -
                          std::begin(kOrder));
}

std::string LittleEndian(uint64_t value) {
  std::string bytes;
  for (size_t i = 0; i < kLengthBytes; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

}  // namespace

uint64_t DataBytes(const TensorToWrite& tensor) {
  uint64_t bytes = DTypeSize(tensor.dtype);
  for (const uint64_t size : tensor.shape) bytes *= size;
  return bytes;
}

absl::StatusOr<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::Create(
    const std::string& path, std::vector<TensorToWrite> tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorToWrite& a, const TensorToWrite& b) {
    const int rank_a = Rank(a.dtype);
    const int rank_b = Rank(b.dtype);
    return rank_a != rank_b ? rank_a < rank_b : a.name < b.name;
  });
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}";
  std::map<std::string, Place, std::less<>> places;
  uint64_t at = 0;
  for (const TensorToWrite& tensor : tensors) {
    Place place;
    place.offset = at;
    place.bytes = DataBytes(tensor);
    at += place.bytes;
    if (!places.emplace(tensor.name, place).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor \"", tensor.name, "\" is to be written twice"));
    }
    absl::StrAppend(&header, ",", DumpJson(Json(tensor.name)), ":{\"dtype\":\"",
                    DTypeName(tensor.dtype), "\",\"shape\":[", absl::StrJoin(tensor.shape, ","),
                    "],\"data_offsets\":[", place.offset, ",", at, "]}");
  }
  header.push_back('}');
  header.resize((header.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  for (auto& [name, place] : places) place.offset += kLengthBytes + header.size();
  GANTRY_ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path));
  GANTRY_RETURN_IF_ERROR(file.WriteAt(0, absl::StrCat(LittleEndian(header.size()), header)));
  std::unique_ptr<SafetensorsWriter> writer(new SafetensorsWriter(std::move(file)));
  absl::MutexLock lock(&writer->mutex_);
  writer->places_ = std::move(places);
  return writer;
}

absl::Status SafetensorsWriter::Write(absl::string_view name, absl::Span<const char> data) {
  uint64_t offset = 0;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = places_.find(name);
    if (found == places_.end() || found->second.written || found->second.bytes != data.size()) {
      return absl::InvalidArgumentError(absl::StrCat("tensor \"", name, "\": ", data.size(),
                                                     " bytes were not to be written here"));
    }
    found->second.written = true;
    offset = found->second.offset;
  }
  return file_.WriteAt(offset, absl::string_view(data.data(), data.size()));
}

absl::Status SafetensorsWriter::Finish() {
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, place] : places_) {
      if (!place.written) {
        return absl::InternalError(absl::StrCat("tensor \"", name, "\" was not written"));
      }
    }
  }
  return file_.Sync();
}

}  // namespace gantry
