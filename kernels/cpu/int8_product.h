#ifndef GANTRY_KERNELS_CPU_INT8_PRODUCT_H_
#define GANTRY_KERNELS_CPU_INT8_PRODUCT_H_

#include <vector>

#include "absl/status/status.h"
#include "kernels/backend.h"
#include "kernels/cpu/int8_matrix.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/thread_pool.h"

namespace gantry {

// LLM.int8(): products of a step's tokens with weights in int8, a panel at a time. Integers are
// summed exactly, so that nothing shows of how the work is cut.
class Int8Product {
 public:
  // Both outlive it.
  Int8Product(const Isa* isa, ThreadPool* pool) : isa_(*isa), pool_(*pool) {}
  // Takes the tokens in, normalised if asked for, and quantises them. `args` outlives the calls of
  // Multiply.
  absl::Status Prepare(const LinearArgs& args);
  // c[tokens, 32] = the panel's products with all tokens, bias added.
  void Multiply(int64_t panel, int thread, float* c);

 private:
  const Int8Matrix& weight() const { return static_cast<const Int8Matrix&>(*args_->weight); }
  void RoundAndFlag();
  void UniteFlags();
  void Quantise();
  void ListOutliers();

  const Isa& isa_;
  ThreadPool& pool_;
  const LinearArgs* args_ = nullptr;
  int64_t stride_ = 0;  // of codes: 4 * groups

  Scratch scratch_;
  float* expanded_ = nullptr;  // [threads, outlier_columns, 32], of Multiply
  float* values_ = nullptr;    // [tokens, cols] in fp16
  float* absmax_ = nullptr;    // [tokens]
  int32_t* sums_ = nullptr;    // of codes, [tokens]
  int8_t* codes_ = nullptr;    // [tokens, stride]
  uint8_t* flags_ = nullptr;   // [tokens, cols]: is an outlier

  Scratch expanded_scratch_;
  std::vector<int32_t> outlier_columns_;  // of any token, ascending
  std::vector<size_t> outliers_begin_;    // [tokens + 1], into what follows
  std::vector<int32_t> outlier_index_;    // into outlier_columns_
  std::vector<float> outlier_values_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_INT8_PRODUCT_H_
