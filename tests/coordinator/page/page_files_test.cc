#include <map>
#include <regex>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/http/static_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry {
namespace {

using ::testing::Contains;
using ::testing::Key;
using ::testing::MatchesRegex;

std::map<std::string, const StaticFile*> ByPath() {
  std::map<std::string, const StaticFile*> files;
  for (const StaticFile& file : StaticFiles()) {
    EXPECT_TRUE(files.emplace(std::string(file.path), &file).second) << file.path;
  }
  return files;
}

// What a file at `path` calls `name`.
std::string Resolve(const std::string& path, const std::string& name) {
  if (name[0] == '/') return name;
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  return absl::StrCat(folder, absl::StartsWith(name, "./") ? name.substr(2) : name);
}

TEST(PageFilesTest, AllThatTheyNameIsThere) {
  const std::map<std::string, const StaticFile*> files = ByPath();
  const std::regex named(R"re((?:from|href=|src=|import) ?['"]((?:\.|/)[^'"]*)['"])re");
  std::set<std::string> found;
  for (const auto& [path, file] : files) {
    const std::string text(file->bytes);
    for (std::sregex_iterator i(text.begin(), text.end(), named), end; i != end; ++i) {
      found.insert(Resolve(path, (*i)[1]));
    }
  }
  EXPECT_THAT(found, Contains("/page/app.mjs"));
  EXPECT_THAT(found, Contains("/page/vendor/preact/preact.mjs"));
  for (const std::string& path : found) EXPECT_THAT(files, Contains(Key(path)));
}

TEST(PageFilesTest, EachHasItsTypeAndATagOfItsOwn) {
  const std::map<std::string, const StaticFile*> files = ByPath();
  ASSERT_THAT(files, Contains(Key("/")));
  EXPECT_EQ(files.at("/")->content_type, "text/html; charset=utf-8");
  EXPECT_EQ(files.at("/page/app.mjs")->content_type, "text/javascript; charset=utf-8");
  EXPECT_EQ(files.at("/page/style.css")->content_type, "text/css; charset=utf-8");
  EXPECT_EQ(files.at("/page/icon.svg")->content_type, "image/svg+xml");
  EXPECT_EQ(files.at("/page/vendor/preact/LICENSE")->content_type, "text/plain; charset=utf-8");
  std::set<absl::string_view> tags;
  for (const auto& [path, file] : files) {
    EXPECT_FALSE(file->bytes.empty()) << path;
    EXPECT_THAT(std::string(file->etag), MatchesRegex("\"[0-9a-f]{64}\"")) << path;
    EXPECT_TRUE(tags.insert(file->etag).second) << path;
  }
}

// What the policy of the page would refuse anyway, and only a reader would notice.
TEST(PageFilesTest, NothingIsInline) {
  const StaticFile* const index = ByPath().at("/");
  const std::string text(index->bytes);
  EXPECT_FALSE(std::regex_search(text, std::regex("<script(?![^>]* src=)")));
  EXPECT_FALSE(std::regex_search(text, std::regex("<style| style=| on[a-z]+=")));
}

}  // namespace
}  // namespace gantry
