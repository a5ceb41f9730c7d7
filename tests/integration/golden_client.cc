// Asks a cluster to continue the prompts of a reference, each alone and then sixteen at once, and
// compares the tokens. Prints what differs; the exit code is 1 if anything does.

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_join.h"
#include "base/flags.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "client/client.h"

ABSL_FLAG(std::string, server, "", "HOST:PORT.");
ABSL_FLAG(std::string, cases, "", "JSON file: \"cases\" with \"prompt\" and \"greedy\".");
ABSL_FLAG(int, max_new_tokens, 24, "");
ABSL_FLAG(int, min_new_tokens, 0, "");

namespace gantry {
namespace {

constexpr int kAtOnce = 16;

struct Case {
  std::vector<int32_t> prompt;
  std::vector<int32_t> greedy;
};

absl::StatusOr<std::vector<int32_t>> Ids(const Json& object, absl::string_view key) {
  const Json* list = FindMember(object, key);
  if (list == nullptr || !list->is_array() || list->empty()) {
    return absl::InvalidArgumentError(absl::StrCat(key, ": expected token ids"));
  }
  return list->get<std::vector<int32_t>>();
}

absl::StatusOr<std::vector<Case>> ReadCases(const std::string& path) {
  GANTRY_ASSIGN_OR_RETURN(const Json json, ReadJsonFile(path));
  const Json* list = FindMember(json, "cases");
  if (list == nullptr || list->empty()) return absl::NotFoundError(path + ": no cases");
  std::vector<Case> cases;
  for (const Json& one : *list) {
    Case& added = cases.emplace_back();
    GANTRY_ASSIGN_OR_RETURN(added.prompt, Ids(one, "prompt"));
    GANTRY_ASSIGN_OR_RETURN(added.greedy, Ids(one, "greedy"));
  }
  return cases;
}

absl::StatusOr<std::vector<int32_t>> Continue(const Client& client,
                                              const std::vector<int32_t>& prompt) {
  v1::GenerateRequest request;
  request.mutable_token_ids()->mutable_ids()->Assign(prompt.begin(), prompt.end());
  request.mutable_sampling()->set_temperature(0);
  request.set_max_new_tokens(absl::GetFlag(FLAGS_max_new_tokens));
  request.set_min_new_tokens(absl::GetFlag(FLAGS_min_new_tokens));
  std::vector<int32_t> ids;
  GANTRY_RETURN_IF_ERROR(
      client.Generate(request, CallOptions(), [&](const v1::GenerateResponse& response) {
        if (response.has_token()) ids.push_back(response.token().token_id());
        return absl::OkStatus();
      }));
  return ids;
}

// Whether the answer is the expected one; if not, says so.
bool Check(const Client& client, const Case& expected, const char* how) {
  const absl::StatusOr<std::vector<int32_t>> ids = Continue(client, expected.prompt);
  if (ids.ok() && *ids == expected.greedy) return true;
  std::printf("%s, prompt %s:\nexpected %s\nfound    %s\n", how,
              absl::StrJoin(expected.prompt, ",").c_str(),
              absl::StrJoin(expected.greedy, ",").c_str(),
              ids.ok() ? absl::StrJoin(*ids, ",").c_str() : ids.status().ToString().c_str());
  return false;
}

absl::StatusOr<bool> Run() {
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Case> cases, ReadCases(absl::GetFlag(FLAGS_cases)));
  GANTRY_ASSIGN_OR_RETURN(const Credentials plain, Credentials::Load({}));
  GANTRY_ASSIGN_OR_RETURN(const Client client, Client::Make(absl::GetFlag(FLAGS_server), plain));
  bool equal = true;
  for (const Case& one : cases) equal &= Check(client, one, "alone");

  bool equal_at_once[kAtOnce] = {};
  std::vector<std::thread> threads;
  for (int i = 0; i < kAtOnce; ++i) {
    threads.emplace_back(
        [&, i] { equal_at_once[i] = Check(client, cases[i % cases.size()], "16 at once"); });
  }
  for (std::thread& thread : threads) thread.join();
  for (bool one : equal_at_once) equal &= one;
  return equal;
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) {
  gantry::ParseFlags(argc, argv, "golden_client --server HOST:PORT --cases FILE",
                     {"golden_client.cc"});
  const absl::StatusOr<bool> equal = gantry::Run();
  if (!equal.ok()) std::printf("%s\n", equal.status().ToString().c_str());
  return equal.ok() && *equal ? 0 : 1;
}
