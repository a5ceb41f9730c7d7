#include "kernels/cpu/isa.h"

#include "absl/strings/str_cat.h"

namespace gantry {
namespace {

struct IsaChoice {
  absl::string_view name;
  const Isa* isa;
  bool supported;  // by this CPU and its operating system
};

}  // namespace

absl::StatusOr<const Isa*> ChooseIsa(absl::string_view name) {
#if defined(__x86_64__)
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f");
#else
  const bool has_avx2 = false;
  const bool has_avx512 = false;
#endif
  const IsaChoice choices[] = {{"avx512", Avx512Isa(), has_avx512},
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
