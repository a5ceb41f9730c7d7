#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/cuda_products.h"
#include "kernels/reference/reference_backend.h"
#include "tests/kernels/cuda/backend_testing.h"
#include "tests/kernels/tolerance.h"

namespace gantry {
namespace {

using Epilogue = LinearArgs::Epilogue;

struct Case {
  MatrixFormat format;
  DType activations = DType::kBF16;
  std::vector<int64_t> parts;  // rows of each
  int64_t cols = 64;
  int64_t tokens = 1;
  bool norm = false;
  bool bias = false;
  Epilogue epilogue = Epilogue::kNone;
  bool float_out = false;
  bool deterministic = false;
  // Outliers of each token in columns of its own, and columns that are outliers of every token.
  int64_t own_outliers = 0;
  int64_t outlier_columns = 0;

  int64_t rows() const {
    int64_t rows = 0;
    for (const int64_t part : parts) rows += part;
    return rows;
  }
  bool gated() const { return epilogue != Epilogue::kNone && epilogue != Epilogue::kAddTo; }
  std::string ToString() const {
    return absl::StrCat(
        SchemeName(format.scheme.scheme), format.scheme.double_quant ? "-dq" : "", "/",
        format.scheme.block_size, " compute ", DTypeName(format.compute_dtype), " activations ",
        DTypeName(activations), " ", rows(), "x", cols, " in ", parts.size(), ", tokens ", tokens,
        norm ? ", norm" : "", bias ? ", bias" : "", ", epilogue ", static_cast<int>(epilogue),
        float_out ? ", float out" : "", deterministic ? ", deterministic" : "", ", outliers ",
        own_outliers, " and ", outlier_columns, format.outliers_per_batch ? " per batch" : "");
  }
};

struct Inputs {
  std::vector<float> weight, x, norm, bias, out;
};

Inputs MakeInputs(const Case& c) {
  Inputs inputs;
  inputs.weight = RandomFloats(c.rows() * c.cols, 0.05f);
  inputs.x = RandomOf(c.activations, c.tokens * c.cols);
  // Some outliers, in some columns.
  for (int64_t token = 0; token < c.tokens; token += 3) {
    inputs.x[token * c.cols + (5 * token + 7) % c.cols] = token % 2 == 0 ? 9.0f : -12.5f;
  }
  for (int64_t token = 0; token < c.tokens; ++token) {
    for (int64_t i = 0; i < c.own_outliers + c.outlier_columns; ++i) {
      const int64_t place = i < c.own_outliers ? (token + 1) * 7919 + i * 131 : i * 17;
      inputs.x[token * c.cols + place % c.cols] = (i + token) % 2 == 0 ? 6.5f : -8.0f;
    }
  }
  for (float value : RandomFloats(c.cols, 0.1f)) inputs.norm.push_back(1 + value);
  inputs.bias = RandomFloats(c.rows());
  const int64_t out_cols = c.gated() ? c.rows() / 2 : c.rows();
  inputs.out = c.epilogue == Epilogue::kAddTo ? RandomOf(c.activations, c.tokens * out_cols)
                                              : std::vector<float>(c.tokens * out_cols, kNan);
  return inputs;
}

std::vector<float> Product(Backend& backend, const Case& c, const Inputs& inputs) {
  MatrixSource source = SourceInParts(c.format, c.parts, c.cols, inputs.weight);
  source.gated = c.gated();
  auto weight = backend.Pack(source);
  EXPECT_TRUE(weight.ok()) << weight.status();
  EXPECT_LE((*weight)->bytes(), backend.PackedBytes(c.format, c.rows(), c.cols));
  const auto x = Activations(backend, inputs.x);
  const auto norm = Filled(backend, inputs.norm);
  const auto bias = Filled(backend, inputs.bias);
  const auto out = c.float_out ? Filled(backend, inputs.out) : Activations(backend, inputs.out);
  LinearArgs args;
  args.x = x.get();
  args.norm_weight = c.norm ? norm.get() : nullptr;
  args.norm_eps = 1e-5f;
  args.weight = weight->get();
  args.bias = c.bias ? bias.get() : nullptr;
  args.epilogue = c.epilogue;
  args.out = out.get();
  args.float_out = c.float_out;
  args.tokens = c.tokens;
  EXPECT_TRUE(backend.Linear(args).ok());
  return c.float_out ? Read(backend, *out) : ReadActivations(backend, *out);
}

class CudaLinearTest : public CudaBackendTest {
 protected:
  void Check(const Case& c) {
    SCOPED_TRACE(c.ToString());
    const Inputs inputs = MakeInputs(c);
    const auto reference = MakeReferenceBackend();
    const std::vector<float> expected = Product(*reference, c, inputs);
    const auto backend = Open(c.activations, c.deterministic);
    const std::vector<float> actual = Product(*backend, c, inputs);
    // Of a few sums one may happen to be small beside its terms.
    const double few = actual.size() < 16 ? 4 : 1;
    EXPECT_LE(
        RelativeError(actual, expected),
        few * CudaTolerance(c.format.scheme.scheme, c.format.compute_dtype, c.activations, c.norm));
  }
};

std::vector<MatrixFormat> Formats(DType compute) {
  std::vector<MatrixFormat> formats;
  for (const Scheme scheme : {Scheme::kNf4, Scheme::kFp4}) {
    for (const bool nested : {false, true}) {
      MatrixFormat format;
      format.scheme.scheme = scheme;
      format.scheme.double_quant = nested;
      format.compute_dtype = compute;
      formats.push_back(format);
    }
  }
  for (const float threshold : {6.0f, 0.0f}) {
    for (const bool per_batch : {false, true}) {
      MatrixFormat format;
      format.scheme.scheme = Scheme::kInt8;
      format.int8_threshold = threshold;
      format.outliers_per_batch = per_batch;
      formats.push_back(format);
    }
  }
  for (const Scheme scheme : {Scheme::kFp32, Scheme::kFp16, Scheme::kBf16}) {
    MatrixFormat format;
    format.scheme.scheme = scheme;
    formats.push_back(format);
  }
  return formats;
}

TEST_F(CudaLinearTest, EverySchemeOfEveryType) {
  for (const DType activations : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const DType compute : {DType::kF32, DType::kF16, DType::kBF16}) {
      for (const MatrixFormat& format : Formats(compute)) {
        for (const int64_t tokens : {1, 9, 40}) {
          Case c;
          c.format = format;
          c.activations = activations;
          c.parts = {96, 32, 32};
          c.cols = 192;
          c.tokens = tokens;
          c.norm = true;
          Check(c);
        }
      }
    }
  }
}

TEST_F(CudaLinearTest, EveryEpilogue) {
  for (const MatrixFormat& format : Formats(DType::kBF16)) {
    for (const Epilogue epilogue : {Epilogue::kNone, Epilogue::kAddTo, Epilogue::kSiluGate,
                                    Epilogue::kGeluTanhGate, Epilogue::kGeluGate}) {
      for (const int64_t tokens : {1, 5, 70}) {
        Case c;
        c.format = format;
        c.parts = {80, 80};
        c.cols = 128;
        c.tokens = tokens;
        c.bias = tokens != 1;
        c.epilogue = epilogue;
        Check(c);
      }
    }
  }
}

TEST_F(CudaLinearTest, OddShapes) {
  struct Shape {
    std::vector<int64_t> parts;
    int64_t cols;
  };
  const std::vector<Shape> shapes = {{{1}, 64},       {{37}, 53},    {{48, 7, 9}, 320}, {{17}, 64},
                                     {{64, 64}, 100}, {{130}, 2048}, {{20}, 5632},      {{33}, 1}};
  for (const MatrixFormat& format : Formats(DType::kF16)) {
    for (const Shape& shape : shapes) {
      for (const int64_t tokens : {1, 8, 33}) {
        Case c;
        c.format = format;
        c.activations = DType::kF16;
        c.parts = shape.parts;
        c.cols = shape.cols;
        c.tokens = tokens;
        c.norm = tokens == 8;
        c.float_out = tokens == 1;
        Check(c);
      }
    }
  }
}

// Each way that outliers of many tokens are multiplied.
TEST_F(CudaLinearTest, OutliersOfManyTokens) {
  struct Outliers {
    int64_t own, columns;
  };
  struct Shape {
    std::vector<int64_t> parts;
    int64_t cols;
    Epilogue epilogue;
  };
  const std::vector<Shape> shapes = {{{96, 200}, 1024, Epilogue::kAddTo},
                                     {{160, 160}, 1024, Epilogue::kSiluGate},
                                     {{37}, 1001, Epilogue::kNone},
                                     {{6, 6}, 1000, Epilogue::kGeluGate}};
  for (const auto& [own, columns] : std::vector<Outliers>{{0, 0}, {0, 40}, {5, 3}, {200, 0}}) {
    for (const bool per_batch : {false, true}) {
      for (const DType activations : {DType::kF32, DType::kF16, DType::kBF16}) {
        for (const Shape& shape : shapes) {
          Case c;
          c.format.scheme.scheme = Scheme::kInt8;
          c.format.outliers_per_batch = per_batch;
          c.activations = activations;
          c.parts = shape.parts;
          c.cols = shape.cols;
          c.tokens = 150;
          c.bias = true;
          c.epilogue = shape.epilogue;
          c.float_out = shape.epilogue == Epilogue::kNone;
          c.own_outliers = own;
          c.outlier_columns = columns;
          Check(c);
        }
      }
    }
  }
}

// Of which shared memory holds two rows instead of four, or none.
TEST_F(CudaLinearTest, OutliersOfManyTokensInManyColumns) {
  for (const int64_t cols : {30000, 66000}) {
    Case c;
    c.format.scheme.scheme = Scheme::kInt8;
    c.activations = DType::kF16;
    c.parts = {10};
    c.cols = cols;
    c.tokens = 40;
    c.own_outliers = 20;
    Check(c);
  }
}

TEST_F(CudaLinearTest, EveryBlockSize) {
  for (const int64_t block_size : {32, 64, 128, 256, 4096}) {
    for (const bool nested : {false, true}) {
      Case c;
      c.format.scheme.scheme = Scheme::kNf4;
      c.format.scheme.block_size = block_size;
      c.format.scheme.double_quant = nested;
      c.format.compute_dtype = DType::kBF16;
      c.parts = {64, 80};
      c.cols = 192;
      c.tokens = 3;
      Check(c);
    }
  }
}

// More rows than a wave of blocks has tiles, more columns than shared memory takes.
TEST_F(CudaLinearTest, LargeShapes) {
  for (const Scheme scheme : {Scheme::kNf4, Scheme::kInt8}) {
    for (const int64_t tokens : {1, 2, 32}) {
      Case c;
      c.format.scheme.scheme = scheme;
      c.format.compute_dtype = DType::kBF16;
      c.parts = {4400};
      c.cols = 256;
      c.tokens = tokens;
      c.norm = true;
      Check(c);
      c.parts = {24};
      c.cols = 14336;
      Check(c);
    }
  }
}

TEST_F(CudaLinearTest, DeterministicSumsDoNotDependOnTheOtherTokens) {
  for (const MatrixFormat& format : Formats(DType::kBF16)) {
    if (format.outliers_per_batch) continue;
    Case c;
    c.format = format;
    c.parts = {144};
    c.cols = 256;
    c.tokens = 75;
    c.norm = true;
    c.deterministic = true;
    SCOPED_TRACE(c.ToString());
    const Inputs inputs = MakeInputs(c);
    const auto backend = Open(c.activations, /*deterministic=*/true);
    const std::vector<float> together = Product(*backend, c, inputs);
    for (const int64_t token : {0, 1, 31, 32, 47, 74}) {
      Case alone = c;
      alone.tokens = 1;
      Inputs one = inputs;
      one.x.assign(inputs.x.begin() + token * c.cols, inputs.x.begin() + (token + 1) * c.cols);
      one.out.resize(c.rows());
      ExpectSame(Product(*backend, alone, one),
                 {together.begin() + token * c.rows(), together.begin() + (token + 1) * c.rows()});
    }
  }
}

// Without the flag too, as long as our kernels do it.
TEST_F(CudaLinearTest, FewTokensSumInOneOrder) {
  for (const Scheme scheme : {Scheme::kNf4, Scheme::kInt8}) {
    Case c;
    c.format.scheme.scheme = scheme;
    c.format.compute_dtype = DType::kBF16;
    c.parts = {144};
    c.cols = 1024;
    c.tokens = 32;
    c.norm = true;
    SCOPED_TRACE(c.ToString());
    const Inputs inputs = MakeInputs(c);
    const auto backend = Open(c.activations);
    const std::vector<float> together = Product(*backend, c, inputs);
    for (const int64_t tokens : {1, 3, 9, 17}) {
      Case fewer = c;
      fewer.tokens = tokens;
      Inputs some = inputs;
      some.x.resize(tokens * c.cols);
      some.out.resize(tokens * c.rows());
      ExpectSame(Product(*backend, fewer, some),
                 {together.begin(), together.begin() + tokens * c.rows()});
    }
  }
}

// The product on a device that is this one but for its shared memory; 0: as it is.
std::vector<float> ProductWithin(int shared_bytes, const Case& c, const Inputs& inputs) {
  cudaDeviceProp properties;
  ExpectCuda(cudaGetDeviceProperties(&properties, 0));
  const CudaDevice device = {
      properties.multiProcessorCount, 10 * properties.major + properties.minor,
      shared_bytes == 0 ? static_cast<int>(properties.sharedMemPerBlockOptin) : shared_bytes};
  auto products = CudaProducts::Create(device, nullptr);
  EXPECT_TRUE(products.ok()) << products.status();
  (*products)->set_deterministic(true);
  auto weight = PackCudaMatrix(SourceInParts(c.format, c.parts, c.cols, inputs.weight), nullptr);
  EXPECT_TRUE(weight.ok()) << weight.status();
  (*products)->Expect(**weight);
  EXPECT_TRUE((*products)->Reserve(c.tokens, CudaType::kBFloat16).ok());
  const DeviceMemory x = OnDevice(CudaType::kBFloat16, inputs.x);
  const DeviceMemory norm = OnDevice(inputs.norm);
  const DeviceMemory out = OnDevice(CudaType::kBFloat16, inputs.out);
  CudaProduct product;
  product.x = x.data();
  product.norm_weight = c.norm ? norm.as<float>() : nullptr;
  product.norm_eps = 1e-5f;
  product.out = out.data();
  product.tokens = static_cast<int>(c.tokens);
  product.rows = static_cast<int>(c.rows());
  product.cols = static_cast<int>(c.cols);
  const absl::Status run = (*products)->Run(static_cast<const CudaMatrix&>(**weight), product);
  EXPECT_TRUE(run.ok()) << run;
  ExpectCuda(cudaDeviceSynchronize());
  return FromDevice(CudaType::kBFloat16, out);
}

TEST_F(CudaLinearTest, SharedMemoryDoesNotChangeSums) {
  for (const MatrixFormat& format : Formats(DType::kBF16)) {
    // With outliers of the whole batch a sum depends on it anyway.
    if (!IsQuantised(format.scheme.scheme) || format.outliers_per_batch) continue;
    for (const int64_t tokens : {1, 4, 7, 19, 32}) {
      Case c;
      c.format = format;
      c.parts = {130, 62};
      c.cols = 2048;
      c.tokens = tokens;
      c.norm = tokens != 7;
      SCOPED_TRACE(c.ToString());
      const Inputs inputs = MakeInputs(c);
      const std::vector<float> expected = ProductWithin(0, c, inputs);
      // Those of 8.6 and 8.9, and of 8.0.
      for (const int shared_bytes : {99 << 10, 163 << 10}) {
        EXPECT_EQ(ProductWithin(shared_bytes, c, inputs), expected) << shared_bytes;
      }
      // Too little for the kernels: a library then multiplies.
      EXPECT_LE(RelativeError(ProductWithin(48 << 10, c, inputs), expected), 2e-2);
    }
  }
}

}  // namespace
}  // namespace gantry
