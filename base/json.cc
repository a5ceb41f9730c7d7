#include "base/json.h"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

// Builds the document from the parser's events. Members are appended without the library's linear
// search for an equal key, which would make a vocabulary of n entries cost n^2; a hash set per open
// object finds duplicates.
class DocumentBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit DocumentBuilder(int max_depth) : max_depth_(max_depth) {}

  bool null() override { return Add(Json(nullptr)); }
  bool boolean(bool value) override { return Add(Json(value)); }
  bool number_integer(number_integer_t value) override { return Add(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Add(Json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return Add(Json(value)); }
  bool string(string_t& value) override { return Add(Json(std::move(value))); }
  bool binary(binary_t&) override { return Fail("binary value"); }

  bool start_object(std::size_t) override { return Open(Json(Json::value_t::object)); }
  bool start_array(std::size_t) override { return Open(Json(Json::value_t::array)); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& value) override {
    if (!open_.back().keys.insert(value).second) {
      return Fail(absl::StrCat("the key \"", value, "\" is given twice"));
    }
    open_.back().key = std::move(value);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // The library's text begins with its own name and number in brackets.
    absl::string_view text = error.what();
    if (const size_t end = text.find("] "); end != absl::string_view::npos) {
      text.remove_prefix(end + 2);
    }
    return Fail(absl::StrCat("byte ", position, ": ", text.substr(0, 200)));
  }

  Json& root() { return root_; }
  const std::string& error() const { return error_; }

 private:
  struct Level {
    Json value;
    std::string key;  // of the member being read, in an object
    absl::flat_hash_set<std::string> keys;
  };

  bool Fail(absl::string_view reason) {
    error_ = std::string(reason);
    return false;
  }

  bool Add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Level& level = open_.back();
    if (level.value.is_array()) {
      level.value.get_ref<Json::array_t&>().push_back(std::move(value));
    } else {
      auto& members = level.value.get_ref<Json::object_t&>();
      static_cast<std::vector<Json::object_t::value_type>&>(members).emplace_back(
          std::move(level.key), std::move(value));
    }
    return true;
  }

  bool Open(Json value) {
    if (static_cast<int>(open_.size()) >= max_depth_) {
      return Fail(absl::StrCat("nested deeper than ", max_depth_, " levels"));
    }
    open_.push_back(Level{std::move(value), {}, {}});
    return true;
  }

  bool Close() {
    Json value = std::move(open_.back().value);
    open_.pop_back();
    return Add(std::move(value));
  }

  const int max_depth_;
  std::vector<Level> open_;
  Json root_;
  std::string error_;
};

absl::Status WrongMember(absl::string_view key, absl::string_view expected, const Json* found) {
  std::string text = found == nullptr ? "nothing" : DumpJson(*found);
  if (text.size() > 80) text = absl::StrCat(text.substr(0, 77), "...");
  return absl::InvalidArgumentError(absl::StrCat(key, ": expected ", expected, ", found ", text));
}

}  // namespace

absl::StatusOr<Json> ParseJson(absl::string_view text, absl::string_view origin,
                               const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(origin, " has ", text.size(),
                                                   " bytes of JSON; at most ", limits.max_bytes,
                                                   " are accepted"));
  }
  if (absl::StartsWith(text, "\xef\xbb\xbf")) {
    return absl::InvalidArgumentError(
        absl::StrCat(origin, ": byte 0: a byte order mark, which JSON does not allow"));
  }
  DocumentBuilder builder(limits.max_depth);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    return absl::InvalidArgumentError(absl::StrCat(origin, " is no valid JSON: ", builder.error()));
  }
  return std::move(builder.root());
}

absl::StatusOr<Json> ReadJsonFile(const std::string& path, const JsonLimits& limits) {
  GANTRY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, limits.max_bytes));
  return ParseJson(text, path, limits);
}

std::string DumpJson(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

const Json* FindMember(const Json& object, absl::string_view key) {
  if (!object.is_object()) return nullptr;
  for (const auto& [name, value] : object.get_ref<const Json::object_t&>()) {
    if (name == key) return value.is_null() ? nullptr : &value;
  }
  return nullptr;
}

absl::StatusOr<int64_t> GetInt(const Json& object, absl::string_view key, int64_t min,
                               int64_t max) {
  const Json* member = FindMember(object, key);
  const std::string expected = absl::StrCat("an integer in [", min, ", ", max, "]");
  if (member == nullptr || !member->is_number()) return WrongMember(key, expected, member);
  int64_t value;
  if (member->is_number_unsigned()) {
    const uint64_t wide = member->get<uint64_t>();
    if (wide > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return WrongMember(key, expected, member);
    }
    value = static_cast<int64_t>(wide);
  } else if (member->is_number_integer()) {
    value = member->get<int64_t>();
  } else {
    const double real = member->get<double>();
    if (!(std::fabs(real) < 9e15) || real != std::floor(real)) {
      return WrongMember(key, expected, member);
    }
    value = static_cast<int64_t>(real);
  }
  if (value < min || value > max) return WrongMember(key, expected, member);
  return value;
}

absl::StatusOr<int64_t> GetIntOr(const Json& object, absl::string_view key, int64_t min,
                                 int64_t max, int64_t fallback) {
  if (FindMember(object, key) == nullptr) return fallback;
  return GetInt(object, key, min, max);
}

absl::StatusOr<double> GetDouble(const Json& object, absl::string_view key, double min,
                                 double max) {
  const Json* member = FindMember(object, key);
  const std::string expected = absl::StrFormat("a number in [%g, %g]", min, max);
  if (member == nullptr || !member->is_number()) return WrongMember(key, expected, member);
  const double value = member->get<double>();
  if (!(value >= min && value <= max)) return WrongMember(key, expected, member);
  return value;
}

absl::StatusOr<double> GetDoubleOr(const Json& object, absl::string_view key, double min,
                                   double max, double fallback) {
  if (FindMember(object, key) == nullptr) return fallback;
  return GetDouble(object, key, min, max);
}

absl::StatusOr<bool> GetBoolOr(const Json& object, absl::string_view key, bool fallback) {
  const Json* member = FindMember(object, key);
  if (member == nullptr) return fallback;
  if (!member->is_boolean()) return WrongMember(key, "true or false", member);
  return member->get<bool>();
}

absl::StatusOr<std::string> GetString(const Json& object, absl::string_view key) {
  const Json* member = FindMember(object, key);
  if (member == nullptr || !member->is_string()) return WrongMember(key, "a string", member);
  return member->get<std::string>();
}

absl::StatusOr<std::string> GetStringOr(const Json& object, absl::string_view key,
                                        absl::string_view fallback) {
  if (FindMember(object, key) == nullptr) return std::string(fallback);
  return GetString(object, key);
}

}  // namespace gantry
