#include "model/text/protobuf_wire.h"

namespace gantry {
namespace {

bool ReadVarint(absl::string_view* message, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !message->empty(); shift += 7) {
    const uint64_t byte = static_cast<unsigned char>(message->front());
    message->remove_prefix(1);
    if (shift == 63 && byte > 1) return false;
    *value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool ReadBytes(absl::string_view* message, uint64_t length, absl::string_view* bytes) {
  if (length > message->size()) return false;
  *bytes = message->substr(0, length);
  message->remove_prefix(length);
  return true;
}

void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

}  // namespace

bool ReadWireField(absl::string_view* message, WireField* field) {
  uint64_t tag = 0;
  if (!ReadVarint(message, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return false;
  *field = WireField();
  field->number = static_cast<uint32_t>(tag >> 3);
  field->type = static_cast<WireField::Type>(tag & 7);
  switch (field->type) {
    case WireField::kVarint:
      return ReadVarint(message, &field->varint);
    case WireField::kFixed64:
      return ReadBytes(message, 8, &field->bytes);
    case WireField::kFixed32:
      return ReadBytes(message, 4, &field->bytes);
    case WireField::kBytes: {
      uint64_t length = 0;
      return ReadVarint(message, &length) && ReadBytes(message, length, &field->bytes);
    }
  }
  return false;
}

void AppendWireBytes(uint32_t number, absl::string_view bytes, std::string* out) {
  AppendVarint(uint64_t{number} << 3 | WireField::kBytes, out);
  AppendVarint(bytes.size(), out);
  out->append(bytes.data(), bytes.size());
}

}  // namespace gantry
