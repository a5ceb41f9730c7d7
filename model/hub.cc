#include "model/hub.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "model/config_fields.h"

namespace gantry {
namespace {

constexpr size_t kMaxName = 4096;
constexpr uint64_t kMaxRefBytes = 256;

// "org/name@revision", taken apart.
struct HubName {
  std::string repository;  // "org/name" or "name"
  std::string revision;    // "main" unless given
};

bool IsFolder(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool IsSafePart(absl::string_view part) {
  return !part.empty() && part.size() <= 128 && part.front() != '.' &&
         std::all_of(part.begin(), part.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

bool AreSafeParts(absl::string_view text, size_t max_parts) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  return parts.size() <= max_parts && std::all_of(parts.begin(), parts.end(), IsSafePart);
}

bool HasParentPart(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  return std::find(parts.begin(), parts.end(), "..") != parts.end();
}

bool IsExplicitPath(absl::string_view text) {
  return absl::StartsWith(text, "/") || text == "." || text == ".." ||
         absl::StartsWith(text, "./") || absl::StartsWith(text, "../");
}

absl::StatusOr<HubName> ParseHubName(absl::string_view text) {
  const std::vector<absl::string_view> halves = absl::StrSplit(text, absl::MaxSplits('@', 1));
  HubName name{std::string(halves[0]), halves.size() == 2 ? std::string(halves[1]) : "main"};
  if (!AreSafeParts(name.repository, 2) || !AreSafeParts(name.revision, 8)) {
    return absl::InvalidArgumentError(
        absl::StrCat("model \"", Excerpt(text),
                     "\": expected a folder or a name such as org/name or org/name@revision"));
  }
  return name;
}

// Folders that were looked at, and what was missing in each.
using Misses = std::vector<std::string>;

bool IsModelFolder(const std::string& folder, Misses* misses) {
  if (!IsFolder(folder)) {
    misses->push_back(absl::StrCat(folder, " (no such folder)"));
  } else if (!FileExists(JoinPath(folder, "config.json"))) {
    misses->push_back(absl::StrCat(folder, " (has no config.json)"));
  } else {
    return true;
  }
  return false;
}

// As huggingface_hub finds it; empty when the environment says nothing.
std::string CacheFolder() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const std::string cache = variable("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (const std::string home = variable("HF_HOME"); !home.empty()) return JoinPath(home, "hub");
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty()) {
    return JoinPath(cache, "huggingface/hub");
  }
  if (const std::string home = variable("HOME"); !home.empty()) {
    return JoinPath(home, ".cache/huggingface/hub");
  }
  return "";
}

// The snapshot of a name in the cache, or "" with the misses noted.
std::string FindInCache(const HubName& name, Misses* misses) {
  const std::string cache = CacheFolder();
  if (cache.empty()) {
    misses->push_back("the Hugging Face cache (none of HF_HUB_CACHE, HF_HOME and HOME is set)");
    return "";
  }
  const std::string repository = JoinPath(
      cache, absl::StrCat("models--", absl::StrReplaceAll(name.repository, {{"/", "--"}})));
  if (!IsFolder(repository)) {
    misses->push_back(absl::StrCat(repository, " (no such folder)"));
    return "";
  }
  const std::string ref = JoinPath(repository, absl::StrCat("refs/", name.revision));
  std::string commit;
  if (const absl::StatusOr<std::string> text = ReadFile(ref, kMaxRefBytes); text.ok()) {
    commit = std::string(absl::StripAsciiWhitespace(*text));
    if (!IsSafePart(commit)) {
      misses->push_back(absl::StrCat(ref, " (does not hold the name of a snapshot)"));
      return "";
    }
  } else {
    misses->push_back(absl::StrCat(ref, " (cannot be read)"));
    if (!IsSafePart(name.revision)) return "";
    commit = name.revision;
  }
  std::string snapshot = JoinPath(repository, absl::StrCat("snapshots/", commit));
  return IsModelFolder(snapshot, misses) ? snapshot : "";
}

}  // namespace

absl::StatusOr<std::string> ResolveModel(absl::string_view path_or_name, absl::string_view root) {
  if (path_or_name.empty() || path_or_name.size() > kMaxName ||
      absl::StrContains(path_or_name, '\0')) {
    return absl::InvalidArgumentError(
        absl::StrCat("model \"", Excerpt(path_or_name),
                     "\": expected a folder or a name such as org/name or org/name@revision"));
  }
  const bool explicit_path = IsExplicitPath(path_or_name);
  // A path that the user spells out may climb; a name, and whatever is looked up below the root,
  // may not.
  if (HasParentPart(path_or_name) && (!explicit_path || !root.empty())) {
    return absl::InvalidArgumentError(
        absl::StrCat("model \"", Excerpt(path_or_name), "\": \"..\" is not allowed in a name"));
  }
  Misses misses;
  if (!root.empty()) {
    // Nodes may keep the same model in different folders: of an absolute path the last part counts.
    absl::string_view below = path_or_name;
    if (absl::StartsWith(below, "/")) {
      while (below.size() > 1 && below.back() == '/') below.remove_suffix(1);
      below.remove_prefix(below.rfind('/') + 1);
    }
    std::string folder = JoinPath(root, below);
    if (IsModelFolder(folder, &misses)) return folder;
  }
  std::string folder(path_or_name);
  if (IsModelFolder(folder, &misses)) return folder;
  if (!explicit_path) {
    GANTRY_ASSIGN_OR_RETURN(const HubName name, ParseHubName(path_or_name));
    std::string snapshot = FindInCache(name, &misses);
    if (!snapshot.empty()) return snapshot;
  }
  return absl::NotFoundError(absl::StrCat("no model \"", Excerpt(path_or_name), "\"; looked at ",
                                          absl::StrJoin(misses, ", ")));
}

}  // namespace gantry
