#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "kernels/arguments.h"
#include "kernels/cuda/convert.h"
#include "kernels/cuda/cuda_matrix.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/dummy_weights.h"
#include "kernels/cuda/quantise.h"
#include "kernels/part_reader.h"
#include "kernels/reference/quantize.h"

namespace gantry {
namespace {

// Of the source that is on its way at a time.
constexpr int64_t kPieceBytes = int64_t{64} << 20;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <typename T>
T* At(const CudaBuffer& buffer, size_t offset) {
  return reinterpret_cast<T*>(buffer.as<char>() + offset);
}

}  // namespace

class CudaPacker {
 public:
  CudaPacker(const MatrixSource& source, cudaStream_t stream)
      : source_(source), stream_(stream), matrix_(new CudaMatrix(source)) {}

  absl::StatusOr<std::unique_ptr<Matrix>> Pack() {
    GANTRY_RETURN_IF_ERROR(CheckFormat(source_.format));
    GANTRY_RETURN_IF_ERROR(
        CheckedArea(source_.rows, source_.cols, sizeof(float), "a weight").status());
    GANTRY_RETURN_IF_ERROR(CheckParts(source_));
    switch (scheme().scheme) {
      case Scheme::kFp32:
      case Scheme::kFp16:
      case Scheme::kBf16:
        GANTRY_RETURN_IF_ERROR(PackDense());
        break;
      case Scheme::kInt8:
        GANTRY_RETURN_IF_ERROR(PackInt8());
        break;
      case Scheme::kNf4:
      case Scheme::kFp4:
        GANTRY_RETURN_IF_ERROR(PackFourBit());
        break;
    }
    GANTRY_RETURN_IF_ERROR(Wait("packing a weight"));
    return std::unique_ptr<Matrix>(std::move(matrix_));
  }

 private:
  const TensorScheme& scheme() const { return source_.format.scheme; }

  absl::Status Wait(absl::string_view what) {
    return CudaStatus(cudaStreamSynchronize(stream_), what);
  }

  // A buffer that belongs to the matrix.
  absl::StatusOr<CudaBuffer*> Keep(size_t bytes) {
    GANTRY_ASSIGN_OR_RETURN(std::unique_ptr<CudaBuffer> buffer, CudaBuffer::Allocate(bytes));
    matrix_->bytes_ += bytes;
    matrix_->buffers_.push_back(std::move(buffer));
    return matrix_->buffers_.back().get();
  }

  absl::Status Upload(const void* from, size_t bytes, void* to) {
    GANTRY_RETURN_IF_CUDA_ERROR(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_),
                                "copying a weight");
    // `from` may change afterwards.
    return Wait("copying a weight");
  }

  // Calls use(first row, rows, their elements on the device) for pieces of whole rows, `multiple`
  // of them at a time but for the last.
  template <typename Use>
  absl::Status ForPieces(const MatrixPart& part, int64_t multiple, const Use& use) {
    const int64_t cols = source_.cols;
    const CudaType type = CudaTypeOf(part.dummy.has_value() ? DType::kF32 : part.dtype);
    const int64_t row_bytes = cols * CudaTypeSize(type);
    int64_t rows = std::max<int64_t>(1, kPieceBytes / row_bytes);
    rows = std::min(part.rows, CeilDiv(rows, multiple) * multiple);
    GANTRY_ASSIGN_OR_RETURN(const std::unique_ptr<CudaBuffer> piece,
                            CudaBuffer::Allocate(rows * row_bytes));
    std::vector<char> host(part.dummy.has_value() ? 0 : rows * row_bytes);
    for (int64_t first = 0; first < part.rows; first += rows) {
      const int64_t count = std::min(rows, part.rows - first);
      if (part.dummy.has_value()) {
        GANTRY_RETURN_IF_CUDA_ERROR(
            LaunchDummyWeights(part.dummy->stream, part.dummy->mean, first * cols, count * cols,
                               type, piece->data(), stream_),
            "making weights");
      } else {
        GANTRY_RETURN_IF_ERROR(part.read(first, count, host.data()));
        GANTRY_RETURN_IF_ERROR(Upload(host.data(), count * row_bytes, piece->data()));
      }
      GANTRY_RETURN_IF_ERROR(use(first, count, type, piece->data()));
    }
    return Wait("packing a weight");
  }

  absl::Status PackDense() {
    const CudaType type = CudaTypeOf(scheme().scheme);
    matrix_->layout_ = CudaMatrix::Layout::kDense;
    matrix_->type_ = type;
    const int64_t cols = source_.cols;
    GANTRY_ASSIGN_OR_RETURN(CudaBuffer* const values,
                            Keep(source_.rows * cols * CudaTypeSize(type)));
    int64_t part_row = 0;
    for (const MatrixPart& part : source_.parts) {
      GANTRY_RETURN_IF_ERROR(ForPieces(
          part, 1,
          [&](int64_t first, int64_t count, CudaType from, const void* piece) -> absl::Status {
            return CudaStatus(
                LaunchConvert(from, piece, count * cols, type,
                              At<char>(*values, (part_row + first) * cols * CudaTypeSize(type)),
                              stream_),
                "packing a weight");
          }));
      part_row += part.rows;
    }
    return absl::OkStatus();
  }

  absl::Status PackInt8() {
    matrix_->layout_ = CudaMatrix::Layout::kInt8;
    const int64_t cols = source_.cols;
    const int64_t count = source_.rows * cols;
    GANTRY_ASSIGN_OR_RETURN(CudaBuffer* const codes, Keep(count));
    GANTRY_ASSIGN_OR_RETURN(CudaBuffer* const scb, Keep(source_.rows * sizeof(float)));
    CudaInt8Weights& weights = matrix_->int8_;
    weights.codes = codes->as<int8_t>();
    weights.scb = scb->as<float>();
    weights.rows = static_cast<int>(source_.rows);
    weights.cols = static_cast<int>(cols);
    int64_t part_row = 0;
    for (const MatrixPart& part : source_.parts) {
      int8_t* const part_codes = weights.codes + part_row * cols;
      float* const part_scb = weights.scb + part_row;
      if (part.read_packed != nullptr) {
        GANTRY_ASSIGN_OR_RETURN(const PackedTensor tensor, ReadPacked(part));
        GANTRY_RETURN_IF_ERROR(Upload(tensor.codes.data(), tensor.codes.size(), part_codes));
        GANTRY_RETURN_IF_ERROR(Upload(tensor.absmax.data(), part.rows * sizeof(float), part_scb));
      } else {
        GANTRY_RETURN_IF_ERROR(
            ForPieces(part, 1, [&](int64_t first, int64_t rows, CudaType from, const void* piece) {
              return CudaStatus(
                  LaunchQuantiseInt8(from, piece, rows, static_cast<int>(cols),
                                     part_codes + first * cols, part_scb + first, stream_),
                  "quantising a weight");
            }));
      }
      part_row += part.rows;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<PackedTensor> ReadPacked(const MatrixPart& part) {
    GANTRY_ASSIGN_OR_RETURN(PackedTensor tensor, part.read_packed());
    GANTRY_RETURN_IF_ERROR(CheckPackedTensor(tensor));
    const TensorScheme& stored = tensor.scheme;
    const bool same =
        stored.scheme == scheme().scheme &&
        (stored.scheme == Scheme::kInt8 || (stored.block_size == scheme().block_size &&
                                            stored.double_quant == scheme().double_quant));
    if (!same || tensor.rows != part.rows || tensor.cols != source_.cols) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a tensor of [", tensor.rows, ", ", tensor.cols, "] in ", SchemeName(stored.scheme),
          ", expected [", part.rows, ", ", source_.cols, "] in ", SchemeName(scheme().scheme)));
    }
    return tensor;
  }

  // Codes and absmax of one part in canonical layout, where the repacking reads them or for good.
  struct Canonical {
    uint8_t* codes = nullptr;
    float* absmax = nullptr;
    uint8_t* absmax_codes = nullptr;
  };

  // Fills the part's canonical buffers; `tensor` receives the nested statistics.
  absl::Status QuantisePart(const MatrixPart& part, const Canonical& to, PackedTensor* tensor) {
    const int64_t cols = source_.cols;
    const int block_size = static_cast<int>(scheme().block_size);
    const FourBit kind = scheme().scheme == Scheme::kFp4 ? FourBit::kFp4 : FourBit::kNf4;
    if (part.read_packed != nullptr) {
      GANTRY_ASSIGN_OR_RETURN(*tensor, ReadPacked(part));
      GANTRY_RETURN_IF_ERROR(Upload(tensor->codes.data(), tensor->codes.size(), to.codes));
      if (!scheme().double_quant) {
        return Upload(tensor->absmax.data(), tensor->absmax.size() * sizeof(float), to.absmax);
      }
    } else {
      const int64_t blocks = CeilDiv(part.rows * cols, block_size);
      std::unique_ptr<CudaBuffer> own_absmax;
      float* absmax = to.absmax;
      if (scheme().double_quant) {
        GANTRY_ASSIGN_OR_RETURN(own_absmax, CudaBuffer::Allocate(blocks * sizeof(float)));
        absmax = own_absmax->as<float>();
      }
      // Pieces of so many rows are whole blocks, and whole bytes.
      const int64_t multiple = cols % block_size == 0 ? 1 : block_size;
      GANTRY_RETURN_IF_ERROR(ForPieces(
          part, multiple,
          [&](int64_t first, int64_t rows, CudaType from, const void* piece) -> absl::Status {
            return CudaStatus(LaunchQuantiseFourBit(kind, from, piece, rows * cols, block_size,
                                                    to.codes + first * cols / 2,
                                                    absmax + first * cols / block_size, stream_),
                              "quantising a weight");
          }));
      if (!scheme().double_quant) return absl::OkStatus();
      tensor->scheme = scheme();
      tensor->rows = part.rows;
      tensor->cols = cols;
      tensor->absmax.resize(blocks);
      GANTRY_RETURN_IF_CUDA_ERROR(
          cudaMemcpyAsync(tensor->absmax.data(), absmax, blocks * sizeof(float),
                          cudaMemcpyDeviceToHost, stream_),
          "reading absmax");
      GANTRY_RETURN_IF_ERROR(Wait("reading absmax"));
      QuantiseAbsmax(tensor);
    }
    return Upload(tensor->absmax_codes.data(), tensor->absmax_codes.size(), to.absmax_codes);
  }

  absl::StatusOr<const float*> KeepFloats(absl::Span<const float> values) {
    const size_t bytes = values.size() * sizeof(float);
    GANTRY_ASSIGN_OR_RETURN(CudaBuffer* const buffer, Keep(bytes));
    GANTRY_RETURN_IF_ERROR(Upload(values.data(), bytes, buffer->data()));
    return buffer->as<const float>();
  }

  absl::Status PackFourBit() {
    const bool repack =
        TakesFourBitLayout(source_.format, source_.rows, source_.cols, source_.gated);
    return repack ? Repack() : KeepTensors();
  }

  absl::Status Repack() {
    const int64_t cols = source_.cols;
    const int64_t count = source_.rows * cols;
    const bool nested = scheme().double_quant;
    GANTRY_ASSIGN_OR_RETURN(const std::unique_ptr<CudaBuffer> codes,
                            CudaBuffer::Allocate(count / 2));
    GANTRY_ASSIGN_OR_RETURN(
        const std::unique_ptr<CudaBuffer> absmax,
        CudaBuffer::Allocate(count / kFourBitBlock * (nested ? 1 : sizeof(float))));
    matrix_->layout_ = CudaMatrix::Layout::kFourBit;
    FourBitWeights& weights = matrix_->four_bit_;
    weights.double_quant = nested;
    weights.fp4 = scheme().scheme == Scheme::kFp4;
    weights.gated = source_.gated;
    weights.rows = static_cast<int>(source_.rows);
    weights.cols = static_cast<int>(cols);
    int64_t part_row = 0;
    for (const MatrixPart& part : source_.parts) {
      Canonical to;
      to.codes = At<uint8_t>(*codes, part_row * cols / 2);
      const int64_t block = part_row * cols / kFourBitBlock;
      to.absmax = absmax->as<float>() + (nested ? 0 : block);
      to.absmax_codes = absmax->as<uint8_t>() + block;
      PackedTensor tensor;
      GANTRY_RETURN_IF_ERROR(QuantisePart(part, to, &tensor));
      if (nested) {
        NestedScales& scales = weights.nested;
        // Every part has a map of its own, but they are all the same: bitsandbytes knows one.
        if (scales.parts == 0) {
          GANTRY_ASSIGN_OR_RETURN(scales.map, KeepFloats(tensor.nested_map));
          map_ = tensor.nested_map;
        } else if (tensor.nested_map != map_) {
          return absl::InvalidArgumentError(
              "nested_quant_map: differs between tensors that are multiplied together");
        }
        GANTRY_ASSIGN_OR_RETURN(scales.absmax[scales.parts], KeepFloats(tensor.nested_absmax));
        scales.first_row[scales.parts] = static_cast<int>(part_row);
        scales.offset[scales.parts] = tensor.nested_offset;
        ++scales.parts;
      }
      part_row += part.rows;
    }
    GANTRY_ASSIGN_OR_RETURN(CudaBuffer* const pieces,
                            Keep(FourBitBytes(source_.rows, cols, nested)));
    weights.pieces = pieces->as<uint8_t>();
    GANTRY_RETURN_IF_CUDA_ERROR(FourBitRepack(codes->as<uint8_t>(), absmax->as<float>(),
                                              absmax->as<uint8_t>(), weights, stream_),
                                "repacking a weight");
    return Wait("repacking a weight");
  }

  absl::Status KeepTensors() {
    matrix_->layout_ = CudaMatrix::Layout::kTensors;
    const int64_t cols = source_.cols;
    int64_t part_row = 0;
    for (const MatrixPart& part : source_.parts) {
      const int64_t blocks = CeilDiv(part.rows * cols, scheme().block_size);
      CudaMatrix::Tensor kept;
      kept.first_row = part_row;
      kept.rows = part.rows;
      FourBitTensor& tensor = kept.tensor;
      Canonical to;
      GANTRY_ASSIGN_OR_RETURN(CudaBuffer* const codes, Keep(CeilDiv(part.rows * cols, 2)));
      GANTRY_ASSIGN_OR_RETURN(CudaBuffer* const absmax,
                              Keep(blocks * (scheme().double_quant ? 1 : sizeof(float))));
      to.codes = codes->as<uint8_t>();
      to.absmax = absmax->as<float>();
      to.absmax_codes = absmax->as<uint8_t>();
      PackedTensor packed;
      GANTRY_RETURN_IF_ERROR(QuantisePart(part, to, &packed));
      tensor.kind = scheme().scheme == Scheme::kFp4 ? FourBit::kFp4 : FourBit::kNf4;
      tensor.cols = cols;
      tensor.block_size = static_cast<int>(scheme().block_size);
      tensor.codes = to.codes;
      if (scheme().double_quant) {
        tensor.absmax_codes = to.absmax_codes;
        GANTRY_ASSIGN_OR_RETURN(tensor.nested_map, KeepFloats(packed.nested_map));
        GANTRY_ASSIGN_OR_RETURN(tensor.nested_absmax, KeepFloats(packed.nested_absmax));
        tensor.nested_offset = packed.nested_offset;
      } else {
        tensor.absmax = to.absmax;
      }
      matrix_->tensors_.push_back(kept);
      part_row += part.rows;
    }
    return absl::OkStatus();
  }

  const MatrixSource& source_;
  const cudaStream_t stream_;
  std::unique_ptr<CudaMatrix> matrix_;
  std::vector<float> map_;
};

absl::StatusOr<std::unique_ptr<Matrix>> PackCudaMatrix(const MatrixSource& source,
                                                       cudaStream_t stream) {
  return CudaPacker(source, stream).Pack();
}

}  // namespace gantry
