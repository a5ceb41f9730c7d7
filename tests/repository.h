#ifndef GANTRY_TESTS_REPOSITORY_H_
#define GANTRY_TESTS_REPOSITORY_H_

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace gantry {

// A file of this repository, such as "tests/testdata/demo"; where it was built, unless GANTRY_ROOT
// says that it is elsewhere, as in a bundle.
inline std::string RepositoryPath(absl::string_view path) {
  const char* const root = std::getenv("GANTRY_ROOT");
  return absl::StrCat(root == nullptr ? GANTRY_SOURCE_DIR : root, "/", path);
}

}  // namespace gantry

#endif  // GANTRY_TESTS_REPOSITORY_H_
