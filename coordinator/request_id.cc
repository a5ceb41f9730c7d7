#include "coordinator/request_id.h"

#include <algorithm>
#include <random>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace gantry {

bool IsRequestId(absl::string_view id) {
  return !id.empty() && id.size() <= kMaxIdBytes &&
         std::all_of(id.begin(), id.end(), absl::ascii_isgraph);
}

std::string RequestIdOf(uint64_t random) {
  return absl::StrCat("gen-", absl::Hex(random, absl::kZeroPad16));
}

std::string RandomRequestId() {
  static thread_local std::mt19937_64 generator(std::random_device{}());
  return RequestIdOf(generator());
}

}  // namespace gantry
