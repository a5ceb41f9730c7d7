#include "kernels/cpu/isa.h"

#include "absl/strings/str_cat.h"

namespace gantry {
namespace {

// AVX-512 with the products of bytes that this CPU has: AVX2's take twice the instructions.
const Isa* WithInt8Tile(const Isa* avx512) {
  if (avx512 == nullptr || Avx2Isa() == nullptr) return nullptr;
  static const Isa isa = [avx512] {
    Isa with_tile = *avx512;
    with_tile.int8_tile = Avx2Isa()->int8_tile;
    with_tile.int8_rows = Avx2Isa()->int8_rows;
#if defined(__x86_64__)
    const Int8Tile* vnni = VnniInt8Tile();
    if (vnni != nullptr && __builtin_cpu_supports("avx512vnni")) {
      with_tile.int8_tile = vnni->run;
      with_tile.int8_rows = vnni->rows;
    }
#endif
    return with_tile;
  }();
  return &isa;
}

struct IsaChoice {
  absl::string_view name;
  const Isa* isa;
  bool supported;  // by this CPU and its operating system
};

}  // namespace

absl::StatusOr<const Isa*> ChooseIsa(absl::string_view name) {
#if defined(__x86_64__)
  // Every CPU with AVX2 has the conversions of fp16 (F16C).
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f");
#else
  const bool has_avx2 = false;
  const bool has_avx512 = false;
#endif
  const IsaChoice choices[] = {{"avx512", WithInt8Tile(Avx512Isa()), has_avx512},
                               {"avx2", Avx2Isa(), has_avx2},
                               {"portable", PortableIsa(), true}};
  for (const IsaChoice& choice : choices) {
    const bool usable = choice.supported && choice.isa != nullptr;
    if (name.empty() && usable) return choice.isa;
    if (choice.name != name) continue;
    if (usable) return choice.isa;
    return absl::InvalidArgumentError(absl::StrCat(
        "this CPU has no ", name, "; leave the choice to the program or take portable"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown instruction set \"", name, "\"; expected avx512, avx2 or portable"));
}

}  // namespace gantry
