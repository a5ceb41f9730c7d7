#include "coordinator/http/api_keys.h"

#include "absl/strings/str_cat.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// printf %s secret | sha256sum
constexpr char kSecret[] = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
// printf %s other | sha256sum
constexpr char kOther[] = "D9298A10D1B0735837DC4BD85DAC641B0F3CEF27A47E5D53A54F2F3F5B2FCFFA";

TEST(ApiKeysTest, NamesTheKeyThatFits) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const ApiKeys keys,
      ApiKeys::Parse(absl::StrCat("# ours\n\n alice:", kSecret, "\r\nbob:", kOther), "keys"));
  EXPECT_EQ(keys.size(), 2);
  EXPECT_EQ(keys.Authenticate("Bearer secret").value(), "alice");
  EXPECT_EQ(keys.Authenticate("bearer  other ").value(), "bob");
}

TEST(ApiKeysTest, RefusesWhatIsNoKeyOfIts) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const ApiKeys keys,
                              ApiKeys::Parse(absl::StrCat("alice:", kSecret), "keys"));
  for (const std::string& given :
       {std::string(), std::string("Bearer"), std::string("Bearer "), std::string("Basic secret"),
        std::string("secret"), std::string("Bearer Secret"), std::string("Bearer secret1"),
        absl::StrCat("Bearer ", kSecret), std::string("Bearer alice")}) {
    EXPECT_THAT(keys.Authenticate(given),
                StatusIs(absl::StatusCode::kUnauthenticated, Not(HasSubstr("secret"))))
        << given;
  }
}

TEST(ApiKeysTest, WrongLinesAreNamedAndNotShown) {
  for (const std::string& text :
       {std::string("sk-not-hashed"), std::string("alice:sk-not-hashed"),
        absl::StrCat("alice:", kSecret, "0"), absl::StrCat(":", kSecret),
        absl::StrCat("al ice:", kSecret), absl::StrCat("alice:g", kSecret).substr(0, 70)}) {
    EXPECT_THAT(ApiKeys::Parse("# first\n" + text, "keys"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("keys:2: expected NAME:HASH"), Not(HasSubstr("sk-")))))
        << text;
  }
  EXPECT_THAT(ApiKeys::Parse(absl::StrCat("a:", kSecret, "\na:", kOther), "keys"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("keys:2")));
  EXPECT_THAT(ApiKeys::Parse("# none\n", "keys"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at least one key")));
  EXPECT_THAT(ApiKeys::Load("/nowhere/keys"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/keys")));
}

}  // namespace
}  // namespace gantry
