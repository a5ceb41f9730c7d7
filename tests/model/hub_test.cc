#include "model/hub.h"

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

class HubTest : public ::testing::Test {
 protected:
  HubTest() {
    for (const char* name : kVariables) {
      const char* value = std::getenv(name);
      saved_.push_back(value == nullptr ? std::nullopt : std::optional<std::string>(value));
      unsetenv(name);
    }
    setenv("HOME", folder_.Path("home").c_str(), 1);
  }
  ~HubTest() override {
    for (size_t i = 0; i < std::size(kVariables); ++i) {
      if (saved_[i].has_value()) {
        setenv(kVariables[i], saved_[i]->c_str(), 1);
      } else {
        unsetenv(kVariables[i]);
      }
    }
  }
  // A model in the cache folder `cache`, as huggingface_hub lays it out.
  std::string AddToCache(const std::string& cache, const std::string& repository,
                         const std::string& ref, const std::string& commit) {
    const std::string base = cache + "/models--" + repository;
    folder_.Write(base + "/refs/" + ref, commit);
    folder_.Write(base + "/blobs/abcd", "{}");
    std::filesystem::create_directories(folder_.Path(base + "/snapshots/" + commit));
    const std::string link = folder_.Path(base + "/snapshots/" + commit + "/config.json");
    if (!std::filesystem::exists(link)) {
      std::filesystem::create_symlink("../../blobs/abcd", link);
    }
    return folder_.Path(base + "/snapshots/" + commit);
  }
  void ExpectResolves(const std::string& name, const std::string& folder,
                      const std::string& root = "") {
    const absl::StatusOr<std::string> found = ResolveModel(name, root);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(std::filesystem::canonical(*found), std::filesystem::canonical(folder));
  }

  static constexpr const char* kVariables[] = {"HOME", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"};
  TempFolder folder_;
  std::vector<std::optional<std::string>> saved_;
};

TEST_F(HubTest, Path) {
  folder_.Write("m/config.json", "{}");
  ExpectResolves(folder_.Path("m"), folder_.Path("m"));
  ExpectResolves(folder_.Path("m/"), folder_.Path("m"));
  ExpectResolves(folder_.Path("m/../m"), folder_.Path("m"));
}

TEST_F(HubTest, PathWithoutAModelNamesWhatIsMissing) {
  EXPECT_THAT(
      ResolveModel(folder_.Path("m")),
      StatusIs(kNotFound, AllOf(HasSubstr(folder_.Path("m")), HasSubstr("no such folder"))));
  folder_.Write("m/readme", "");
  EXPECT_THAT(ResolveModel(folder_.Path("m")),
              StatusIs(kNotFound, HasSubstr("has no config.json")));
}

TEST_F(HubTest, CacheFolders) {
  const std::string by_home =
      AddToCache("home/.cache/huggingface/hub", "org--name", "main", "c0ffee");
  ExpectResolves("org/name", by_home);
  setenv("XDG_CACHE_HOME", folder_.Path("xdg").c_str(), 1);
  ExpectResolves("org/name", AddToCache("xdg/huggingface/hub", "org--name", "main", "c1"));
  setenv("HF_HOME", folder_.Path("hf").c_str(), 1);
  ExpectResolves("org/name", AddToCache("hf/hub", "org--name", "main", "c2"));
  setenv("HF_HUB_CACHE", folder_.Path("cache").c_str(), 1);
  ExpectResolves("org/name", AddToCache("cache", "org--name", "main", "c3"));
}

TEST_F(HubTest, Revisions) {
  setenv("HF_HUB_CACHE", folder_.Path("cache").c_str(), 1);
  const std::string main = AddToCache("cache", "org--name", "main", "1111");
  const std::string branch = AddToCache("cache", "org--name", "refs/pr/3", "2222");
  ExpectResolves("org/name", main);
  ExpectResolves("org/name@main", main);
  ExpectResolves("org/name@refs/pr/3", branch);
  ExpectResolves("org/name@2222", branch);
  EXPECT_THAT(ResolveModel("org/name@v2"),
              StatusIs(kNotFound, AllOf(HasSubstr("refs/v2"), HasSubstr("snapshots/v2"))));
}

TEST_F(HubTest, NameWithoutOrganisationAndTrailingNewlineInTheRef) {
  setenv("HF_HUB_CACHE", folder_.Path("cache").c_str(), 1);
  const std::string snapshot = AddToCache("cache", "gpt2", "main", "abc");
  folder_.Write("cache/models--gpt2/refs/main", "abc\n");
  ExpectResolves("gpt2", snapshot);
}

TEST_F(HubTest, RefMustNotLeadOut) {
  setenv("HF_HUB_CACHE", folder_.Path("cache").c_str(), 1);
  AddToCache("cache", "org--name", "main", "abc");
  folder_.Write("outside/config.json", "{}");
  for (const char* ref : {"../../../outside", "/etc", "", ".."}) {
    folder_.Write("cache/models--org--name/refs/main", ref);
    EXPECT_THAT(ResolveModel("org/name"), StatusIs(kNotFound, HasSubstr("refs/main"))) << ref;
  }
}

TEST_F(HubTest, RootComesFirst) {
  setenv("HF_HUB_CACHE", folder_.Path("cache").c_str(), 1);
  const std::string cached = AddToCache("cache", "org--name", "main", "abc");
  ExpectResolves("org/name", cached, folder_.Path("root"));
  folder_.Write("root/org/name/config.json", "{}");
  ExpectResolves("org/name", folder_.Path("root/org/name"), folder_.Path("root"));
}

TEST_F(HubTest, RootTakesTheLastPartOfAPath) {
  folder_.Write("root/llama/config.json", "{}");
  ExpectResolves("/elsewhere/models/llama/", folder_.Path("root/llama"), folder_.Path("root"));
  folder_.Write("other/llama/config.json", "{}");
  folder_.Write("empty/readme", "");
  ExpectResolves(folder_.Path("other/llama"), folder_.Path("other/llama"), folder_.Path("empty"));
}

TEST_F(HubTest, NotFoundListsEveryPlace) {
  setenv("HF_HUB_CACHE", folder_.Path("cache").c_str(), 1);
  EXPECT_THAT(ResolveModel("org/name", folder_.Path("root")),
              StatusIs(kNotFound, AllOf(HasSubstr(folder_.Path("root/org/name")),
                                        HasSubstr(folder_.Path("cache/models--org--name")))));
  unsetenv("HF_HUB_CACHE");
  unsetenv("HOME");
  EXPECT_THAT(ResolveModel("org/name"), StatusIs(kNotFound, HasSubstr("HF_HUB_CACHE")));
}

TEST_F(HubTest, MalformedNames) {
  const std::string names[] = {"",
                               std::string("a\0b", 3),
                               std::string(1 << 20, 'a'),
                               "org/../../etc/passwd",
                               "org/..",
                               "a/b/c",
                               "org//name",
                               "org/name@",
                               "org/name@../x",
                               "org/name@a//b",
                               "@main",
                               "org/na me",
                               "org/name%2e%2e",
                               "..org/name",
                               "\xd0\xbe"
                               "rg/name"};
  for (const std::string& name : names) {
    EXPECT_THAT(ResolveModel(name), StatusIs(kInvalid, HasSubstr("model \"")))
        << name.substr(0, 50);
  }
}

TEST_F(HubTest, NothingClimbsOutOfTheRoot) {
  folder_.Write("secret/config.json", "{}");
  folder_.Write("root/x", "");
  for (const char* name : {"../secret", "a/../../secret", "./../secret", "..", "/..", "/x/.."}) {
    EXPECT_THAT(ResolveModel(name, folder_.Path("root")), StatusIs(kInvalid, HasSubstr("..")))
        << name;
  }
}

}  // namespace
}  // namespace gantry
