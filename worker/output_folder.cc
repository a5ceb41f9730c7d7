#include "worker/output_folder.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

namespace fs = std::filesystem;

// Chat templates beside the main one.
constexpr char kTemplateFolder[] = "additional_chat_templates";

absl::Status Failed(absl::string_view what, const std::string& path, const std::error_code& error) {
  return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot ", what, " ", path));
}

bool IsSideFile(absl::string_view name) {
  if (name == "config.json" || absl::EndsWith(name, ".index.json")) return false;
  for (const absl::string_view end : {".json", ".txt", ".model", ".jinja", ".tiktoken", ".md"}) {
    if (absl::EndsWith(name, end)) return true;
  }
  return absl::StartsWith(name, "LICENSE") || absl::StartsWith(name, "NOTICE");
}

absl::Status CopyFiles(const std::string& from, const std::string& to) {
  std::error_code error;
  for (fs::directory_iterator it(from, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    // Links, as those of the hub's cache, are followed.
    if (!fs::is_regular_file(it->path(), error) || !IsSideFile(name)) continue;
    fs::copy_file(it->path(), JoinPath(to, name), error);
    if (error) return Failed("copy", it->path(), error);
  }
  return error ? Failed("read", from, error) : absl::OkStatus();
}

}  // namespace

OutputFolder::OutputFolder(std::string path, std::string partial)
    : path_(std::move(path)), partial_(std::move(partial)) {}

OutputFolder::OutputFolder(OutputFolder&& other) noexcept
    : path_(std::move(other.path_)), partial_(std::exchange(other.partial_, "")) {}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (!partial_.empty()) fs::remove_all(partial_, ignored);
}

absl::StatusOr<OutputFolder> OutputFolder::Create(const std::string& path) {
  std::string name = path;
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  std::error_code error;
  if (fs::exists(name, error) && !(fs::is_directory(name, error) && fs::is_empty(name, error))) {
    return absl::AlreadyExistsError(
        absl::StrCat(name, " is there already and not an empty folder; name another"));
  }
  const std::string partial = absl::StrCat(name, ".partial-", getpid());
  if (!fs::create_directories(partial, error)) {
    return error ? Failed("make", partial, error)
                 : absl::AlreadyExistsError(absl::StrCat(partial, " is there already; remove it"));
  }
  return OutputFolder(name, partial);
}

absl::Status OutputFolder::Commit() {
  std::error_code error;
  fs::rename(partial_, path_, error);
  if (error) return Failed("rename to", path_, error);
  partial_.clear();
  return absl::OkStatus();
}

absl::Status CopySideFiles(const std::string& from, const std::string& to) {
  GANTRY_RETURN_IF_ERROR(CopyFiles(from, to));
  const std::string templates = JoinPath(from, kTemplateFolder);
  std::error_code error;
  if (!fs::is_directory(templates, error)) return absl::OkStatus();
  fs::create_directory(JoinPath(to, kTemplateFolder), error);
  if (error) return Failed("make", JoinPath(to, kTemplateFolder), error);
  return CopyFiles(templates, JoinPath(to, kTemplateFolder));
}

}  // namespace gantry
