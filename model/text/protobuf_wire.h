#ifndef GANTRY_MODEL_TEXT_PROTOBUF_WIRE_H_
#define GANTRY_MODEL_TEXT_PROTOBUF_WIRE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace gantry {

// One field of a message in the protobuf wire format.
struct WireField {
  uint32_t number = 0;
  enum Type { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 } type = kVarint;
  uint64_t varint = 0;      // of kVarint
  absl::string_view bytes;  // of the others
};

// Reads the field at the front of `message` and removes it. False, with `message` unspecified, for
// what is not well-formed; groups count as that.
bool ReadWireField(absl::string_view* message, WireField* field);

// Appends a field of type kBytes.
void AppendWireBytes(uint32_t number, absl::string_view bytes, std::string* out);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_PROTOBUF_WIRE_H_
