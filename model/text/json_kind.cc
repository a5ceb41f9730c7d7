#include "model/text/json_kind.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/text/limits.h"

namespace gantry {
namespace {

absl::Status Visit(const Json& component, absl::string_view what, absl::string_view members,
                   const std::function<absl::Status(const Json&, const std::string& kind)>& visit,
                   size_t* steps) {
  GANTRY_ASSIGN_OR_RETURN(const std::string kind, GetKind(component, what));
  if (kind != "Sequence") {
    if (++*steps > kMaxSteps) {
      return absl::ResourceExhaustedError(
          absl::StrCat(what, ": more than the ", kMaxSteps, " steps allowed"));
    }
    return visit(component, kind);
  }
  const Json* array = FindMember(component, members);
  if (array == nullptr || !array->is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " Sequence: expected an array \"", members, "\""));
  }
  for (const Json& member : *array) {
    GANTRY_RETURN_IF_ERROR(Visit(member, what, members, visit, steps));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> GetKind(const Json& component, absl::string_view what) {
  if (!component.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": expected an object, found ", component.type_name()));
  }
  absl::StatusOr<std::string> kind = GetString(component, "type");
  if (!kind.ok()) return Annotate(kind.status(), what);
  return kind;
}

absl::Status UnsupportedKind(absl::string_view what, absl::string_view kind,
                             absl::string_view supported) {
  return absl::UnimplementedError(
      absl::StrCat(what, " ", kind, " is not supported; supported are ", supported));
}

absl::Status ForEachStep(
    const Json* component, absl::string_view what, absl::string_view members,
    const std::function<absl::Status(const Json&, const std::string& kind)>& visit) {
  if (component == nullptr) return absl::OkStatus();
  size_t steps = 0;
  return Visit(*component, what, members, visit, &steps);
}

absl::StatusOr<std::string> GetCharacter(const Json& object, absl::string_view key) {
  GANTRY_ASSIGN_OR_RETURN(std::string text, GetString(object, key));
  size_t end = 0;
  if (!text.empty()) NextChar(text, &end);
  if (text.empty() || end != text.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, ": expected one character, found ", text.size(), " bytes"));
  }
  return text;
}

}  // namespace gantry
