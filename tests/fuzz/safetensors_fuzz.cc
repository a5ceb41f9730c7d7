// A safetensors file: 8 bytes of length, the header, the data. What the parser accepts must
// describe the data exactly.

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint64_t length = 0;
  if (size < sizeof(length)) return 0;
  std::memcpy(&length, data, sizeof(length));
  size -= sizeof(length);
  const char* rest = reinterpret_cast<const char*>(data) + sizeof(length);
  // Mutations seldom hit the length; the whole of a shorter input is then the header.
  if (length > size) length = size;
  const auto entries =
      gantry::ParseSafetensorsHeader(absl::string_view(rest, length), size - length);
  if (!entries.ok()) return 0;
  uint64_t covered = 0;
  for (const gantry::SafetensorsEntry& entry : *entries) {
    if (entry.begin != covered || entry.end < entry.begin) std::abort();
    covered = entry.end;
  }
  if (covered != size - length) std::abort();
  return 0;
}
