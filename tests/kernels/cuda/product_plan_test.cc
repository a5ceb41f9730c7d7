#include <algorithm>
#include <utility>

#include "gtest/gtest.h"
#include "kernels/cuda/four_bit.h"
#include "kernels/cuda/int8.h"

namespace gantry {
namespace {

// Multiprocessors, compute capability, and shared memory that a block may have: of CUDA's
// programming guide, technical specifications per compute capability.
constexpr CudaDevice kT4 = {40, 75, 64 << 10};
constexpr CudaDevice kA100 = {108, 80, 163 << 10};
constexpr CudaDevice kRtx4090 = {128, 89, 99 << 10};
constexpr CudaDevice kH100 = {132, 90, 227 << 10};

CudaProduct ProductOf(int tokens, int rows, int cols) {
  CudaProduct product;
  product.tokens = tokens;
  product.rows = rows;
  product.cols = cols;
  return product;
}

// Every shape of the models that we measure, and some that no tile divides.
TEST(ProductPlanTest, EveryDeviceTakesSomeTokens) {
  for (const auto& [rows, cols] : {std::pair{4096, 4096},
                                   {28672, 4096},
                                   {4096, 14336},
                                   {28672, 8192},
                                   {8192, 28672},
                                   {2048, 5632},
                                   {130, 2048}}) {
    for (const int tokens : {1, 2, 6, 8, 16, 32, 500}) {
      SCOPED_TRACE(testing::Message() << rows << "x" << cols << ", " << tokens << " tokens");
      const CudaProduct product = ProductOf(tokens, rows, cols);
      const int most = std::min(tokens, 32);
      for (const bool nested : {false, true}) {
        FourBitWeights weights;
        weights.double_quant = nested;
        EXPECT_EQ(FourBitTokens(weights, product, kT4), 0);
        EXPECT_EQ(FourBitTokens(weights, product, kA100), most);
        EXPECT_EQ(FourBitTokens(weights, product, kRtx4090), std::min(tokens, nested ? 7 : 5));
        EXPECT_EQ(FourBitTokens(weights, product, kH100), most);
      }
      EXPECT_EQ(Int8ProductTokens(product, kT4), 0);
      EXPECT_EQ(Int8ProductTokens(product, kA100), most);
      EXPECT_EQ(Int8ProductTokens(product, kRtx4090), 1);
      EXPECT_EQ(Int8ProductTokens(product, kH100), most);
    }
  }
}

// What the kernel does not normalise comes normalised.
TEST(ProductPlanTest, NormsAreFusedWhereTheyFit) {
  const FourBitWeights weights;
  EXPECT_TRUE(FusesFourBitNorm(weights, ProductOf(4, 4096, 4096), kH100));
  EXPECT_TRUE(FusesFourBitNorm(weights, ProductOf(4, 4096, 4096), kA100));
  EXPECT_TRUE(FusesFourBitNorm(weights, ProductOf(1, 2048, 2048), kRtx4090));
  EXPECT_FALSE(FusesFourBitNorm(weights, ProductOf(1, 8192, 8192), kRtx4090));
  EXPECT_FALSE(FusesFourBitNorm(weights, ProductOf(5, 4096, 4096), kH100));
}

}  // namespace
}  // namespace gantry
