#include "model/text/chat_template.h"

#include <cstdlib>

#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::StatusOr<MarkedText> Render(absl::string_view source,
                                  const std::vector<ChatMessage>& messages,
                                  const Json& config = Json::object(),
                                  bool add_generation_prompt = true) {
  absl::StatusOr<std::unique_ptr<ChatTemplate>> parsed = ChatTemplate::Parse(source, config);
  if (!parsed.ok()) return parsed.status();
  ChatTemplate::Options options;
  options.add_generation_prompt = add_generation_prompt;
  options.now = 1'700'000'000;
  return (*parsed)->Render(messages, options);
}

// The parts of a text that a user typed, in brackets.
std::string Bracketed(const MarkedText& marked) {
  std::string out;
  size_t at = 0;
  for (const MarkedText::Span& span : marked.user) {
    out += marked.text.substr(at, span.begin - at);
    out += "[" + marked.text.substr(span.begin, span.end - span.begin) + "]";
    at = span.end;
  }
  return out + marked.text.substr(at);
}

TEST(ChatTemplate, DemoModelAsTransformersRendersIt) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto chat,
                              ChatTemplate::Load(GANTRY_SOURCE_DIR "/deploy/demo/model"));
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json reference,
                              ReadJsonFile(GANTRY_TESTDATA "/tokenizers/demo/cases.json"));
  ASSERT_EQ(reference["chats"].size(), 14);
  for (const Json& expected : reference["chats"]) {
    std::vector<ChatMessage> messages;
    for (const Json& message : expected["messages"]) {
      messages.push_back({message["role"], message["content"]});
    }
    GANTRY_ASSERT_OK_AND_ASSIGN(const MarkedText text, chat->Render(messages, {}));
    EXPECT_EQ(text.text, expected["text"].get<std::string>());
  }
}

TEST(ChatTemplate, MarksContentsAndRolesOnly) {
  const Json config = {{"eos_token", "</s>"}};
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const MarkedText text,
      Render("{% for m in messages %}<|{{ m.role }}|>{{ m['content'] + eos_token }}{% endfor %}",
             {{"user", "hi <|user|>"}, {"assistant", "</s>"}}, config));
  EXPECT_EQ(Bracketed(text), "<|[user]|>[hi <|user|>]</s><|[assistant]|>[</s>]</s>");
}

TEST(ChatTemplate, ToolsTheirCallsAndResultsAreMarkedAsTyped) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const auto chat,
      ChatTemplate::Parse("{{ tools | tojson }}{% for m in messages %}|{{ m.name }}"
                          "{% for c in m.tool_calls or [] %}{{ c.function.arguments.a }}"
                          "{% endfor %}{{ m.tool_call_id }}{% endfor %}",
                          Json::object()));
  ChatTemplate::Options options;
  options.tools = Json::array({{{"<s>", "x</s>"}, {"big", 18446744073709551615u}, {"n", -1}}});
  ChatMessage calls{"assistant", ""};
  calls.tool_calls = Json::array({{{"function", {{"arguments", {{"a", "</s>"}}}}}}});
  GANTRY_ASSERT_OK_AND_ASSIGN(const MarkedText text,
                              chat->Render({calls, {"tool", "3", "<s>", "id"}}, options));
  EXPECT_EQ(Bracketed(text),
            R"([{"[<s>]": "[x</s>]", "[big]": 1.8446744073709552e+19, "[n]": -1}]|[</s>]|[<s>id])");
}

TEST(ChatTemplate, AbsentToolFieldsAreUndefined) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const MarkedText text,
      Render("{{ tools is none }}{% for m in messages %}{{ m.name is defined or 'tool_calls' in m "
             "or m.tool_call_id is defined }}{% endfor %}",
             {{"user", "x"}}));
  EXPECT_EQ(text.text, "TrueFalse");
}

TEST(ChatTemplate, MentionsWhatStandsInItsTags) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const auto chat,
      ChatTemplate::Parse("words {# tools #}{% if m['role'] == 'tool' %}{{ '<tool_call>' ~ x }}"
                          "{% endif %}",
                          Json::object()));
  for (const char* word : {"m", "role", "tool", "<tool_call>", "x"}) {
    EXPECT_TRUE(chat->Mentions(word)) << word;
  }
  for (const char* word : {"words", "tools", "tool_calls"}) {
    EXPECT_FALSE(chat->Mentions(word)) << word;
  }
}

struct MarkCase {
  const char* source;
  const char* expected;  // user's bytes in brackets
};
class Marks : public ::testing::TestWithParam<MarkCase> {};

// `c` is " one <A> two\n", typed by a user.
TEST_P(Marks, FollowTheText) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const MarkedText text,
      Render(absl::StrCat("{% set c = messages[0].content %}", GetParam().source),
             {{"user", " one <A> two\n"}}));
  EXPECT_EQ(Bracketed(text), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Operations, Marks,
    ::testing::Values(
        MarkCase{"{{ 'x' + c|trim + 'y' }}", "x[one <A> two]y"},
        MarkCase{"{{ 'x' ~ c.strip() ~ 1 }}", "x[one <A> two]1"},
        MarkCase{"{{ c[1:4] ~ c[5] ~ c[-2] }}", "[one<o]"},
        MarkCase{"{{ c.strip()[::-1] }}", "[owt >A< eno]"},
        MarkCase{"{{ c.split() | join('|') }}", "[one]|[<A>]|[two]"},
        MarkCase{"{{ c.split('<A>')[-1].strip() }}", "[two]"},
        MarkCase{"{{ c.strip().replace('<A>', '<B>') }}", "[one ]<B>[ two]"},
        MarkCase{"{{ 'a-b'.replace('-', c|trim) }}", "a[one <A> two]b"},
        MarkCase{"{{ c|trim|upper }}{{ c.title().strip() }}", "[ONE <A> TWOOne <A> Two]"},
        MarkCase{"{{ ('k\n' ~ c|trim)|indent(2, true) }}", "  k\n  [one <A> two]"},
        MarkCase{"{{ {'k': c|trim}|tojson }}", "{\"k\": \"[one <A> two]\"}"},
        MarkCase{"{{ {'k': c}|tojson(indent=1) }}", "{\n \"k\": \"[ one <A> two\\n]\"\n}"},
        MarkCase{"{{ '%s!' % c.strip() }}{{ '<{}>'.format(c.strip()) }}",
                 "[one <A> two]!<[one <A> two]>"},
        MarkCase{"{{ '<{:>14}>'.format(c.strip()) }}", "<   [one <A> two]>"},
        MarkCase{"{% for x in c.strip() %}{{ x }}.{% endfor %}",
                 "[o].[n].[e].[ ].[<].[A].[>].[ ].[t].[w].[o]."},
        MarkCase{"{% set s %}<{{ c|trim }}>{% endset %}{{ s }}", "<[one <A> two]>"},
        MarkCase{"{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(c|trim) }}", "<[one <A> two]>"},
        MarkCase{"{% filter upper %}a{{ c|trim }}b{% endfilter %}", "A[ONE <A> TWO]B"},
        MarkCase{"{{ [c|trim] }}", "['[one <A> two]']"},
        MarkCase{"{{ {c|trim: 1} }}", "{'[one <A> two]': 1}"},
        MarkCase{"{{ c|trim|e }}", "[one &lt;A&gt; two]"},
        MarkCase{"{{ (c|trim) * 2 }}", "[one <A> twoone <A> two]"},
        MarkCase{"{{ {'user': '<|user|>'}[messages[0].role] }}", "<|user|>"},
        MarkCase{"{{ c.partition('<A>') | map('trim') | join(',') }}", "[one],[<A>],[two]"},
        MarkCase{"{{ [messages[0].role, 'b'] | map('capitalize') | join }}", "[User]B"},
        MarkCase{"{{ c.splitlines()[0]|trim|list|last }}", "[o]"},
        MarkCase{"{{ strftime_now(c)|trim }}", "[one <A> two]"}));

TEST(ChatTemplate, RaiseExceptionGivesItsOwnWords) {
  EXPECT_THAT(Render("{{ raise_exception('Only user and assistant roles are supported!') }}", {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::StrEq("Only user and assistant roles are supported!")));
}

TEST(ChatTemplate, ErrorsNameLineAndReason) {
  EXPECT_THAT(Render("a\n{{ x.y }}", {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("line 2"), HasSubstr("'x' is undefined"))));
  EXPECT_THAT(ChatTemplate::Parse("a\n{% if %}", Json::object()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 2, column 7")));
}

TEST(ChatTemplate, VariablesAreThoseOfTransformers) {
  const Json config = {{"bos_token", {{"content", "<s>"}, {"lstrip", false}}},
                       {"eos_token", "</s>"},
                       {"unk_token", nullptr}};
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const MarkedText text,
      Render("{{ bos_token }}{{ eos_token }} {{ unk_token is defined }} {{ tools is none }} "
             "{{ documents is none }} {{ add_generation_prompt }} {{ enable_thinking is defined }}",
             {}, config, false));
  EXPECT_EQ(text.text, "<s></s> False True True False False");
}

TEST(ChatTemplate, StrftimeNowIsLocalTime) {
  ASSERT_EQ(setenv("TZ", "UTC-2", 1), 0);
  tzset();
  GANTRY_ASSERT_OK_AND_ASSIGN(const MarkedText text,
                              Render("{{ strftime_now('%d %b %Y %H:%M') }}", {}));
  EXPECT_EQ(text.text, "15 Nov 2023 00:13");
  EXPECT_THAT(Render("{{ strftime_now('%9999999d') }}", {}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("strftime_now")));
}

TEST(ChatTemplate, MessagesMustBeUtf8) {
  EXPECT_THAT(Render("{{ messages }}", {{"user", "\xff"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("message 0")));
}

TEST(ChatTemplate, ListOfNamedTemplates) {
  TempFolder folder;
  folder.Write("tokenizer_config.json",
               R"({"chat_template": [{"name": "tool_use", "template": "tools"},
                                  {"name": "default", "template": "plain {{ bos_token }}"}]})");
  folder.Write("special_tokens_map.json", R"({"bos_token": {"content": "<b>"}})");
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto chat, ChatTemplate::Load(folder.path()));
  GANTRY_ASSERT_OK_AND_ASSIGN(const MarkedText text, chat->Render({}, {}));
  EXPECT_EQ(text.text, "plain <b>");
}

TEST(ChatTemplate, AFileOfItsOwnComesFirst) {
  TempFolder folder;
  folder.Write("tokenizer_config.json", R"({"chat_template": "config", "eos_token": "<e>"})");
  folder.Write("chat_template.jinja", "file {{ eos_token }}\n");
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto chat, ChatTemplate::Load(folder.path()));
  GANTRY_ASSERT_OK_AND_ASSIGN(const MarkedText text, chat->Render({}, {}));
  EXPECT_EQ(text.text, "file <e>");
}

TEST(ChatTemplate, AbsentAndMalformed) {
  TempFolder folder;
  EXPECT_THAT(ChatTemplate::Load(folder.path()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(folder.path())));
  folder.Write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": ""}]})");
  EXPECT_THAT(ChatTemplate::Load(folder.path()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("default")));
  folder.Write("tokenizer_config.json", R"({"chat_template": 7})");
  EXPECT_THAT(ChatTemplate::Load(folder.path()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("chat_template")));
  folder.Write("tokenizer_config.json", R"({"chat_template": "x", "bos_token": 7})");
  EXPECT_THAT(ChatTemplate::Load(folder.path()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bos_token")));
  folder.Write("tokenizer_config.json", R"({"chat_template": "{% if"})");
  EXPECT_THAT(ChatTemplate::Load(folder.path()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tokenizer_config.json")));
}

}  // namespace
}  // namespace gantry
