#ifndef GANTRY_PLAN_MODEL_FAMILIES_H_
#define GANTRY_PLAN_MODEL_FAMILIES_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace gantry {

enum class WindowPattern {
  kNone,
  kAll,         // every layer looks back `sliding_window` tokens, if it is given
  kIfUsed,      // likewise with use_sliding_window, in the layers from max_window_layers on
  kEveryOther,  // layers 0, 2, 4, ...
};

// What tells one family from another, as data. `tree` lists the modules as transformers registers
// them, two spaces of indentation a level; a line is
//     NAME[*COUNT] CLASS [SIZES] [+[SYMBOL]] [?SYMBOL] [=TENSOR] [~TENSOR] [^]
// COUNT says that the one child below, whose line has no name, is there that often under the names
// 0, 1, ...; of these only the first has what is marked ?first. SIZES: the shape of its weight; + a
// bias as long as the weight's first size (if the symbol after it is not 0); ? leaves the module
// out if the symbol is 0; = and ~ say that the weight is the tensor named (~: where the model ties
// its embeddings); ^ that the module runs after the layers that follow it. Symbols: model_tree.cc.
// A class named ...RotaryEmbedding has two buffers instead of a weight, inv_freq and what it was.
struct ModelFamily {
  absl::string_view title;       // for people: "Llama"
  absl::string_view class_name;  // "LlamaForCausalLM"
  absl::string_view model_type;
  absl::string_view base_prefix;  // of the model without its head
  absl::string_view layer_class;  // not to be split
  absl::string_view keep_in_fp32;
  bool ties_by_default = false;
  int64_t default_kv_heads = 0;  // 0: as many as heads
  int64_t default_head_dim = 0;  // 0: hidden_size / heads
  WindowPattern window = WindowPattern::kNone;
  absl::string_view tree;
};

absl::Span<const ModelFamily> ModelFamilies();

}  // namespace gantry

#endif  // GANTRY_PLAN_MODEL_FAMILIES_H_
