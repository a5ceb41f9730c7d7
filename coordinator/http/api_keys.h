#ifndef GANTRY_COORDINATOR_HTTP_API_KEYS_H_
#define GANTRY_COORDINATOR_HTTP_API_KEYS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry {

// The keys that clients may come with. Only their SHA-256 is kept, here as in the file:
//
//   # comment
//   NAME:64 hexadecimal digits
//
// Keys are long and random, so that a plain hash of one does not give it away.
class ApiKeys {
 public:
  // INVALID_ARGUMENT names the line; also for a file without a key, and for a name given twice.
  static absl::StatusOr<ApiKeys> Load(const std::string& path);
  static absl::StatusOr<ApiKeys> Parse(absl::string_view text, absl::string_view origin);

  // The name of the key in "Bearer KEY". UNAUTHENTICATED if there is none or it is unknown. How
  // long it takes does not depend on where it differs from those that are known.
  absl::StatusOr<std::string> Authenticate(absl::string_view authorization) const;
  size_t size() const { return keys_.size(); }

 private:
  using Digest = std::array<uint8_t, 32>;
  struct Key {
    std::string name;
    Digest digest;
  };
  std::vector<Key> keys_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_API_KEYS_H_
