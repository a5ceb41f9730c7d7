#include "base/flags.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>

#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/exit_code.h"
#include "base/version.h"

namespace gantry {
namespace {

std::string& ProgramName() {
  static std::string* name = new std::string("gantry");
  return *name;
}

int EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const int substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// The flag that was meant, or "": one that begins with what was typed before one that looks like
// it.
std::string ClosestFlag(absl::string_view typed,
                        const std::map<std::string, absl::CommandLineFlag*>& flags) {
  std::string closest;
  bool closest_begins = false;
  int closest_distance = 4;
  for (const auto& [name, flag] : flags) {
    const bool begins = !typed.empty() && absl::StartsWith(name, typed);
    const int distance = EditDistance(typed, name);
    if (begins < closest_begins) continue;
    if (begins > closest_begins || distance < closest_distance) {
      closest = name;
      closest_begins = begins;
      closest_distance = distance;
    }
  }
  return closest;
}

// Whether --name alone and --noname set the flag. An optional one tells "not given" from both.
bool IsBoolean(const absl::CommandLineFlag& flag) {
  return flag.IsOfType<bool>() || flag.IsOfType<std::optional<bool>>();
}

// The program's own flags by name.
std::map<std::string, absl::CommandLineFlag*> OwnFlags(const std::vector<std::string>& files) {
  std::map<std::string, absl::CommandLineFlag*> own;
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    for (const std::string& file : files) {
      if (absl::StrContains(flag->Filename(), file)) own.emplace(name, flag);
    }
  }
  return own;
}

void PrintHelp(absl::string_view usage,
               const std::map<std::string, absl::CommandLineFlag*>& flags) {
  std::cout << usage << "\n\nFlags:\n";
  for (const auto& [name, flag] : flags) {
    std::string line = absl::StrCat("  --", name);
    const std::string value = flag->DefaultValue();
    if (IsBoolean(*flag)) {
      if (value == "true") line += " (default: true)";
    } else if (!value.empty()) {
      absl::StrAppend(&line, " (default: ", value, ")");
    }
    std::cout << line << "\n";
    std::string text = "     ";
    for (absl::string_view word : absl::StrSplit(flag->Help(), ' ')) {
      if (text.size() + word.size() > 96) {
        std::cout << text << "\n";
        text = "     ";
      }
      absl::StrAppend(&text, " ", word);
    }
    std::cout << text << "\n";
  }
  std::cout
      << "  --help\n      Print this and exit.\n  --version\n      Print the version and exit.\n";
}

}  // namespace

void UsageError(absl::string_view message) {
  std::cerr << ProgramName() << ": " << message << "\nTry '" << ProgramName() << " --help'.\n";
  std::exit(kExitUsage);
}

std::vector<std::string> ParseFlags(int argc, char** argv, absl::string_view usage,
                                    const std::vector<std::string>& flag_files) {
  ProgramName() = std::vector<std::string>(absl::StrSplit(argv[0], '/')).back();
  const auto own = OwnFlags(flag_files);
  std::vector<std::string> positional;
  for (int i = 1; i < argc; ++i) {
    absl::string_view arg = argv[i];
    if (arg == "--") {
      positional.insert(positional.end(), argv + i + 1, argv + argc);
      break;
    }
    if (!absl::ConsumePrefix(&arg, "-") || arg.empty()) {
      positional.emplace_back(argv[i]);
      continue;
    }
    absl::ConsumePrefix(&arg, "-");
    const size_t equals = arg.find('=');
    const std::string name(arg.substr(0, equals));
    if (name == "help" || name == "h") {
      PrintHelp(usage, own);
      std::exit(kExitDone);
    }
    if (name == "version") {
      std::cout << ProgramName() << " " << kVersion << "\n";
      std::exit(kExitDone);
    }
    auto found = own.find(name);
    bool negated = false;
    if (found == own.end() && absl::StartsWith(name, "no")) {
      found = own.find(name.substr(2));
      negated = found != own.end() && IsBoolean(*found->second);
      if (!negated) found = own.end();
    }
    if (found == own.end()) {
      const std::string closest = ClosestFlag(name, own);
      UsageError(absl::StrCat("unknown flag --", name,
                              closest.empty() ? "" : absl::StrCat("; did you mean --", closest),
                              closest.empty() ? "" : "?"));
    }
    absl::CommandLineFlag* flag = found->second;
    std::string value;
    if (equals != absl::string_view::npos) {
      if (negated) UsageError(absl::StrCat("--", name, " takes no value"));
      value = std::string(arg.substr(equals + 1));
    } else if (IsBoolean(*flag)) {
      value = negated ? "false" : "true";
    } else if (i + 1 < argc) {
      value = argv[++i];
    } else {
      UsageError(absl::StrCat("--", name, " needs a value"));
    }
    std::string error;
    if (!flag->ParseFrom(value, &error)) {
      UsageError(absl::StrCat("--", name, ": cannot take \"", value, "\"",
                              error.empty() ? "" : ": ", error));
    }
  }
  return positional;
}

absl::Status WrongFlag(absl::string_view flag, absl::string_view expected,
                       absl::string_view found) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": expected ", expected, ", found \"", found.substr(0, 60), "\""));
}

absl::Status CheckFlagRange(absl::string_view flag, int64_t value, int64_t min, int64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": expected ", min, " to ", max, ", found ", value));
}

absl::StatusOr<DType> DTypeFromFlag(absl::string_view flag, absl::string_view value,
                                    std::initializer_list<DType> allowed) {
  const std::optional<DType> dtype = DTypeFromTorch(value);
  for (const DType one : allowed) {
    if (dtype == one) return one;
  }
  return WrongFlag(flag, "a type such as float16", value);
}

}  // namespace gantry
