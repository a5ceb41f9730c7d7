#include "coordinator/http/constraint_fields.h"

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

absl::Status Expected(absl::string_view field, absl::string_view expected, const Json& found) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": expected ", expected, ", found ", found.type_name()));
}

absl::Status SetSchema(const std::string& field, const Json& schema, v1::GenerateRequest* request) {
  if (!schema.is_object()) return Expected(field, "an object, a JSON schema", schema);
  request->set_json_schema(DumpJson(schema));
  return absl::OkStatus();
}

// {"type": "json_schema", "json_schema": {"schema": SCHEMA}}. An answer keeps to the schema whether
// or not that is `strict`.
absl::Status ReadResponseFormat(const std::string& field, const Json& format,
                                v1::GenerateRequest* request) {
  if (!format.is_object()) return Expected(field, "an object", format);
  const Json* type = FindMember(format, "type");
  if (type != nullptr && *type == "text") return absl::OkStatus();
  if (type != nullptr && *type == "json_object") {
    request->set_json_object(true);
    return absl::OkStatus();
  }
  if (type == nullptr || *type != "json_schema") {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ".type: expected text, json_object or json_schema"));
  }
  const Json* wrapper = FindMember(format, "json_schema");
  const std::string path = absl::StrCat(field, ".json_schema");
  if (wrapper == nullptr || !wrapper->is_object()) {
    return Expected(path, "an object", wrapper == nullptr ? Json() : *wrapper);
  }
  const Json* schema = FindMember(*wrapper, "schema");
  return SetSchema(absl::StrCat(path, ".schema"), schema == nullptr ? Json() : *schema, request);
}

// A schema, or its text.
absl::Status ReadJson(const std::string& field, const Json& schema, v1::GenerateRequest* request) {
  if (!schema.is_string()) return SetSchema(field, schema, request);
  request->set_json_schema(schema.get<std::string>());
  return absl::OkStatus();
}

absl::Status ReadRegex(const std::string& field, const Json& regex, v1::GenerateRequest* request) {
  if (!regex.is_string()) return Expected(field, "a string", regex);
  request->set_regex(regex.get<std::string>());
  return absl::OkStatus();
}

absl::Status ReadJsonObject(const std::string& field, const Json& wanted,
                            v1::GenerateRequest* request) {
  if (!wanted.is_boolean()) return Expected(field, "true or false", wanted);
  if (wanted == true) request->set_json_object(true);
  return absl::OkStatus();
}

struct Field {
  const char* name;
  // Sets the constraint that the value asks for, if any. `field` is what errors call it.
  absl::Status (*read)(const std::string& field, const Json& value, v1::GenerateRequest* request);
};
constexpr Field kFields[] = {
    {"response_format", ReadResponseFormat},
    {"guided_json", ReadJson},
    {"guided_regex", ReadRegex},
};
constexpr Field kStructuredOutputs[] = {
    {"json", ReadJson},
    {"regex", ReadRegex},
    {"json_object", ReadJsonObject},
};

// Reads those of `fields` that `json` has. `*source` is the field that set the constraint.
absl::Status ReadFields(const Json& json, absl::Span<const Field> fields, absl::string_view prefix,
                        v1::GenerateRequest* request, std::string* source) {
  for (const Field& field : fields) {
    const Json* value = FindMember(json, field.name);
    if (value == nullptr) continue;
    const std::string name = absl::StrCat(prefix, field.name);
    v1::GenerateRequest read;
    GANTRY_RETURN_IF_ERROR(field.read(name, *value, &read));
    if (read.constraint_case() == v1::GenerateRequest::CONSTRAINT_NOT_SET) continue;
    if (!source->empty()) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": expected none beside ", *source));
    }
    request->MergeFrom(read);
    *source = name;
  }
  return absl::OkStatus();
}

// Whatever else they have would make another answer.
absl::Status RefuseOthers(const Json& structured_outputs) {
  for (const auto& [name, value] : structured_outputs.items()) {
    const bool known = absl::c_any_of(
        kStructuredOutputs, [&name = name](const Field& field) { return field.name == name; });
    if (known || value.is_null() || value == false) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("structured_outputs.", name.substr(0, 40),
                     ": expected none, since this server supports json, regex and json_object"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadConstraint(const Json& json, v1::GenerateRequest* request) {
  std::string source;
  GANTRY_RETURN_IF_ERROR(ReadFields(json, kFields, "", request, &source));
  const Json* structured = FindMember(json, "structured_outputs");
  if (structured == nullptr) return source;
  if (!structured->is_object()) return Expected("structured_outputs", "an object", *structured);
  GANTRY_RETURN_IF_ERROR(RefuseOthers(*structured));
  GANTRY_RETURN_IF_ERROR(
      ReadFields(*structured, kStructuredOutputs, "structured_outputs.", request, &source));
  return source;
}

}  // namespace gantry
