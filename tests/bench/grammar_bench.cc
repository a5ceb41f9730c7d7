// Time of a mask of allowed tokens: of the first answer of a grammar, when masks are computed, and
// of a later one, when they are there.
//
//   grammar_bench --benchmark_filter='Mask/128k/person'
//
// p50_us, p99_us and max_us are of one mask, and first_* of those of the first answer.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/utf8.h"
#include "benchmark/benchmark.h"
#include "model/grammar/json_schema.h"
#include "model/grammar/token_matcher.h"
#include "tests/model/grammar/list_tokenizer.h"
#include "tests/repository.h"

namespace gantry {
namespace {

constexpr char kPerson[] = R"({"type":"object","properties":{
    "name":{"type":"string"},"email":{"type":"string","maxLength":60},
    "age":{"type":"integer","minimum":0,"maximum":150},
    "role":{"enum":["admin","user","guest"]},
    "tags":{"type":"array","items":{"type":"string","pattern":"^[a-z-]{2,12}$"}},
    "address":{"$ref":"#/$defs/address"},"score":{"type":"number"}},
    "required":["name","age","role"],
    "$defs":{"address":{"type":"object","properties":{"street":{"type":"string"},
        "city":{"type":"string"},"since":{"type":"string","format":"date"}}}}})";

// As many tokens as Llama 3 has, about as long as its are: words with and without a space before
// them, punctuation and brackets together, other scripts, and parts of characters.
std::unique_ptr<Tokenizer> SyntheticTokenizer(int32_t count) {
  std::mt19937 random(11);
  const auto below = [&](int n) { return static_cast<int>(random() % n); };
  std::vector<std::string> tokens;
  while (tokens.size() + 257 < count) {
    std::string token;
    const int kind = below(100);
    if (kind < 70) {
      if (below(2)) token.push_back(' ');
      for (int i = 2 + below(5) + below(6); i > 0; --i)
        token += "etaoinshrdlucmfwypvbgkjqxz"[below(26) * below(26) / 26];
    } else if (kind < 80) {
      for (int i = 1 + below(4); i > 0; --i) token += "\"{}[]:,.\\/ \n'()<>=+-*_#"[below(25)];
    } else if (kind < 84) {
      for (int i = 1 + below(3); i > 0; --i) token += static_cast<char>('0' + below(10));
    } else {
      for (int i = 1 + below(4); i > 0; --i)
        AppendUtf8(kind < 92 ? 0x400 + below(0x60) : 0x4e00 + below(0x5000), &token);
      if (kind >= 98) token.pop_back();
    }
    tokens.push_back(token);
  }
  return std::make_unique<ListTokenizer>(std::move(tokens));
}

std::unique_ptr<Tokenizer> DemoTokenizer() {
  return Tokenizer::Load(RepositoryPath("deploy/demo/model")).value();
}

// Answers a grammar once; the microseconds of each mask.
std::vector<double> Answer(const std::shared_ptr<TokenGrammar>& grammar, int32_t vocab_size,
                           absl::Span<const int32_t> end_tokens) {
  std::mt19937 random(12);
  TokenMatcher matcher(grammar);
  std::vector<double> times;
  for (int step = 0; step < 300; ++step) {
    const absl::Time start = absl::Now();
    const TokenMask mask = matcher.Allowed();
    times.push_back(absl::ToDoubleMicroseconds(absl::Now() - start));
    std::vector<int32_t> allowed;
    for (int32_t id = 0; id < vocab_size; ++id) {
      if (HasToken(mask, id) && id != end_tokens[0]) allowed.push_back(id);
    }
    if (allowed.empty()) break;
    // Quotes and brackets as often as other tokens, or strings would not end.
    int32_t id = allowed[random() % allowed.size()];
    const char closing = "\",}]"[random() % 4];
    if (random() % 3 == 0 && HasToken(mask, closing)) id = closing;
    if (!matcher.Accept(id).ok()) std::abort();
  }
  return times;
}

double Percentile(std::vector<double> times, double share) {
  std::sort(times.begin(), times.end());
  return times[std::min(times.size() - 1, static_cast<size_t>(share * times.size()))];
}

void BM_Mask(benchmark::State& state, std::unique_ptr<Tokenizer> (*tokenizer)(),
             absl::StatusOr<Grammar> (*compile)(const ByteSet&)) {
  const std::unique_ptr<Tokenizer> tokens = tokenizer();
  const int32_t size = tokens->vocab_size();
  const std::vector<int32_t> end = {tokens->TokenId("</s>") >= 0 ? tokens->TokenId("</s>")
                                                                 : size - 1};
  const absl::Time before = absl::Now();
  const auto vocabulary = TokenVocabulary::Create(*tokens, size, end).value();
  state.counters["vocabulary_ms"] = absl::ToDoubleMilliseconds(absl::Now() - before);
  std::vector<double> first;
  std::vector<double> later;
  for (auto _ : state) {
    const auto grammar =
        TokenGrammar::Create(compile(vocabulary->usable_bytes()).value(), vocabulary).value();
    for (const double time : Answer(grammar, size, end)) first.push_back(time);
    for (const double time : Answer(grammar, size, end)) later.push_back(time);
  }
  state.counters["first_p50_us"] = Percentile(first, 0.5);
  state.counters["first_p99_us"] = Percentile(first, 0.99);
  state.counters["first_max_us"] = Percentile(first, 1);
  state.counters["p50_us"] = Percentile(later, 0.5);
  state.counters["p99_us"] = Percentile(later, 0.99);
}

std::unique_ptr<Tokenizer> Tokenizer128k() { return SyntheticTokenizer(128'256); }
absl::StatusOr<Grammar> Person(const ByteSet& usable) { return CompileJsonSchema(kPerson, usable); }
absl::StatusOr<Grammar> AnyText(const ByteSet& usable) { return CompileRegex("(.|\\n)*", usable); }

absl::StatusOr<Grammar> Hostile(const ByteSet& usable) {
  return CompileRegex("(a|b)*a(a|b){25}", usable);
}

void BM_Compile(benchmark::State& state, absl::StatusOr<Grammar> (*compile)(const ByteSet&)) {
  for (auto _ : state) benchmark::DoNotOptimize(compile(ByteSet().set()));
}
BENCHMARK_CAPTURE(BM_Compile, person, Person)->Name("Compile/person");
BENCHMARK_CAPTURE(BM_Compile, json_object, CompileJsonObject)->Name("Compile/json_object");
BENCHMARK_CAPTURE(BM_Compile, refused, Hostile)->Name("Compile/refused");
BENCHMARK_CAPTURE(BM_Mask, 128k / person, Tokenizer128k, Person)
    ->Name("Mask/128k/person")
    ->Iterations(5);
BENCHMARK_CAPTURE(BM_Mask, 128k / json_object, Tokenizer128k, CompileJsonObject)
    ->Name("Mask/128k/json_object")
    ->Iterations(5);
BENCHMARK_CAPTURE(BM_Mask, 128k / regex, Tokenizer128k, AnyText)
    ->Name("Mask/128k/any_text")
    ->Iterations(5);
BENCHMARK_CAPTURE(BM_Mask, demo / person, DemoTokenizer, Person)
    ->Name("Mask/demo/person")
    ->Iterations(5);

}  // namespace
}  // namespace gantry

BENCHMARK_MAIN();
