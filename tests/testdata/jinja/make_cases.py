"""Writes cases.json: templates, variables and what Jinja2 renders in the environment that
transformers uses for chat templates. Run with jinja2 installed: python3 make_cases.py"""

import json
import os

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    """{% generation %} marks the assistant's words for training and changes nothing else."""

    tags = {"generation"}

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(lineno)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


VARIABLES = {
    "i": 7,
    "n": -3,
    "f": 2.5,
    "t": True,
    "no": None,
    "s": "Hello, World",
    "u": "Grüße, 世界 🌍",
    "w": "  a  b\tc\n",
    "ml": "one\n\n  two\r\nthree",
    "l": [3, 1, 2],
    "ls": ["b", "A", "c", "a"],
    "e": [],
    "d": {"b": 1, "a": "x", "items": 5},
    "people": [
        {"name": "Ann", "age": 30, "tags": ["x", "y"]},
        {"name": "bob", "age": 25, "tags": []},
        {"name": "Cy", "age": 30},
    ],
}

CHAT = {
    "messages": [
        {"role": "system", "content": "  Be brief. "},
        {"role": "user", "content": "Hi <|im_end|>"},
        {"role": "assistant", "content": "<think>hm</think>\n\nHello!"},
        {"role": "user", "content": "Grüße \"quoted\"\n"},
    ],
    "add_generation_prompt": True,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "tools": None,
    "documents": None,
}
NO_SYSTEM = dict(CHAT, messages=CHAT["messages"][1:], add_generation_prompt=False)
EMPTY = dict(CHAT, messages=[])
BAD_ORDER = dict(CHAT, messages=[CHAT["messages"][2], CHAT["messages"][2]])
TOOLS = dict(
    CHAT,
    tools=[
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "The weather <now>",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
            },
        }
    ],
)

# One expression each, printed.
EXPRESSIONS = r"""
1 + 2 * 3 - 4
(1 + 2) * 3
7 // 2
-7 // 2
7 // -2
-7 % 3
7 % -3
7.5 // 2
-7.5 % 2
7 / 2
6 / 2
2 ** 10
2 ** -1
-2 ** 2
2 ** 3 ** 2
2.0 ** 0.5
1_000 + 1
1e3
1.5e-7
1e16
123456789012345680.0
1e22
0.1 + 0.2
100.0
1e15
-0.0
+5
+t
-t
- - 3
i + f
t + t
t * 3
1 == 1.0
t == 1
"1" == 1
no == none
none
None
true
True
False
1 < 2 < 3
1 < 3 < 2
1 < 2 == true
3 > 2 >= 2
1 != 2
"a" < "b"
"Z" < "a"
[1, 2] < [1, 3]
[1, 2] == [1, 2]
(1, 2) == [1, 2]
{"a": 1} == {"a": 1.0}
1 in [1, 2]
3 not in [1, 2]
"ell" in s
"" in s
"x" not in s
"a" in d
"z" in d
i in missing
not 1
not not 1
not missing
1 and 2
0 and 2
0 or "x"
"" or [] or "last"
1 or missing.x
0 and missing.x
"a" if t else "b"
"a" if no else "b"
"a" if no
("a" if no) is defined
"a" if no else "b" if no else "c"
1 if 0 else 2 if 0 else 3
"a" ~ 1 ~ none ~ true ~ 1.0 ~ missing ~ [1]
"a" "b" 'c'
"a" + "b" ~ 1 + 2
1 ~ 2 * 3
"ab" * 3
3 * "ab"
"ab" * -1
[1] * 2
[1] + [2]
(1,) + (2,)
()
(1,)
(1, "a")
1, 2
[1, "a", none, true, 1.5, [2], (3,), {"k": "v"}]
{}
{"a": 1, 'b': "it's", 3: none}
{"a": 1, "a": 2}
["it's", 'say "hi"', "both ' and \"", "back\\slash", "new\nline", "tab\t", "\x00\x7f\x1b", "é", "\u200b", "\xa0"]
"\x41\u00e9\U0001F30D\101\0"
"\d\w"
"line\
continued"
'a\'b'
"{{ not }} {% a tag %}"
missing
missing is defined
missing.attribute
missing["x"]
missing + 1
missing()
missing == missing
missing == none
missing < 1
-missing
missing|length
missing|list
missing|default("x")
missing|default("x")|upper
missing|d
no|default("x")
no|default("x", true)
""|d("x", boolean=true)
0|default(5, true)
s|length
u|length
l|length
d|count
i|length
s.upper()
s.lower()
"hello wORLD it's 3rd-party x_y".title()
"hello wORLD it's 3rd-party (x) x_y"|title
"hELLO"|capitalize
"hELLO".capitalize()
u.upper()
u|lower
"straße".upper()
"ÀÉ ñ ж".swapcase()
"Ωmega".lower()
w.strip()
w.lstrip()
w.rstrip() ~ "|"
"xxabcxx".strip("x")
"xyxabcyx".lstrip("xy")
"abcxyz".rstrip("zyx")
"\u00a0\u3000x\u2003"|trim
"xxabcxx"|trim("x")
w|trim
5|trim
s.split(", ")
w.split()
w.split(None, 1)
" a b c ".split(none, 0)
"a,b,c".split(",", 1)
"a,b,c".rsplit(",", 1)
" a b c ".rsplit(none, 1)
"a,,b".split(",")
"".split()
"".split(",")
"abc".split("")
"a b"|join("-")
"a-b-c".partition("-")
"a-b-c".rpartition("-")
"abc".partition("-")
"abc".rpartition("-")
ml.splitlines()
ml.splitlines(true)
"a\x0bb\x1cc\u2028d\x85e\n".splitlines()
s.startswith("Hell")
s.startswith(("x", "He"))
s.startswith("World", 7)
s.endswith("ld")
s.endswith(("a", "b"))
s.startswith(["He"])
s.replace("l", "L")
s.replace("l", "L", 1)
s.replace("", "-")
"ab".replace("", "-", 2)
u.replace("世", "x")
s|replace("l", "L", 2)
s|replace("l", "L", count=1)
123|replace(2, "x")
s.find("o")
s.find("o", 5)
s.rfind("o")
s.find("zz")
u.find("世")
u.rfind("ü")
s.index("W")
s.index("zz")
s.count("l")
s.count("l", 4)
"aaaa".count("aa")
"abc".count("")
"abc".find("")
"abc".find("", 4)
"abc".rfind("")
"-".join(["a", "b"])
"-".join([1])
"-".join("abc")
"123".isdigit()
"12a".isdigit()
"".isdigit()
"abc".isalpha()
"ab1".isalnum()
"é".isalpha()
" \t".isspace()
"AB".isupper()
"A1".isupper()
"ab".islower()
"1".islower()
"42".zfill(5)
"-42".zfill(5)
"ab".center(7, "*")
"abc".center(6, "*")
"ab".center(5)
"ab".ljust(5) ~ "|"
"ab".rjust(5, ".")
"ab"|center(6) ~ "|"
"prefix-x".removeprefix("prefix-")
"x.py".removesuffix(".py")
"x.py".removesuffix(".cc")
"{} {}".format("a", 1)
"{1} {0}".format("a", "b")
"{x}-{y}".format(x=1, y="z")
"{{}} {}".format(1)
"{:5}|{:<5}|{:>5}|{:^5}|{:*^5}".format("ab", "ab", "ab", "ab", "ab")
"{:5}|{:<5}|{:05}|{:+}|{:,}".format(42, 42, 42, 42, 1234567)
"{:.2f} {:e} {:g} {:.0%}".format(3.14159, 12345.678, 0.0001, 0.25)
"{:x} {:X} {:#x} {:b} {:o}".format(255, 255, 255, 5, 8)
"{:.3}".format("abcdef")
"{} {}".format("a")
"%s and %s" % ("a", 1)
"%d%%" % 42
"%5d|%-5d|%05d|%+d" % (42, 42, 42, 42)
"%.2f %e %g" % (3.14159, 12345.678, 0.0001)
"%x %X %o %#x" % (255, 255, 8, 255)
"%r" % "it's"
"%10s|%-10s|%.2s" % ("ab", "ab", "abcdef")
"%(a)s-%(b)d" % {"a": "x", "b": 3}
"%s" % [1, 2]
"%s %s" % ("a",)
"%s" % ("a", "b")
"%d" % "x"
"%d" % 3.9
"%s, %s!"|format("Hello", "you")
"%(x)s"|format(x=1)
s[0]
s[-1]
s[100]
s[100] is defined
s[1:4]
s[:-7]
s[-5:]
s[::-1]
s[::2]
s[10:2:-3]
s[5:2]
s[:100]
s[-100:3]
u[7]
u[-1]
u[7:9]
u[::-1]
u[1:20:3]
l[0]
l[-1]
l[1:]
l[::-1]
l[:2][0]
l[9]
l[9] is undefined
l[t]
(1, 2, 3)[1:]
l.0
d.a
d["a"]
d["items"]
d["zz"]
d.zz
d.zz.y
d.zz is defined
d.get("a")
d.get("zz")
d.get("zz", 5)
d.get("zz", default=5)
d.keys()|list
d.values()|list
d.items()|list
d|items|list
d|list
d|dictsort
d|dictsort(reverse=true)
{"b": 2, "A": 3, "c": 1}|dictsort
{"b": 2, "A": 3, "c": 1}|dictsort(true)
{"b": 2, "A": 3, "c": 1}|dictsort(false, "value")
{"b": 2}|dictsort(by="other")
missing|items|list
dict(a=1, b=2)
dict({"a": 1}, b=2)
dict([("a", 1), ("b", 2)])
range(5)|list
range(2, 5)|list
range(10, 0, -3)|list
range(0)|list
range(5, 2)|list
range(3)|sum
range(1, 10, 0)
range(100001)
range("x")
l.index(1)
l.index(9)
l.count(3)
l.append(4)
l.pop()
d.update({"x": 1})
d.pop("a")
d.clear()
d.setdefault("q", 1)
s.nothing
s.nothing()
s.__class__
s.__class__.__name__
[].__len__()
l|first
l|last
e|first
e|first is defined
"abc"|first
"abc"|last
u|last
d|first
l|join
l|join(", ")
ls|join("-")
[1, none, true, 1.5, "x"]|join("/")
people|join(", ", attribute="name")
l|sort
l|sort(reverse=true)
ls|sort
ls|sort(case_sensitive=true)
ls|sort(true, true)
people|sort(attribute="age")|map(attribute="name")|list
people|sort(attribute="age", reverse=true)|map(attribute="name")|list
people|sort(attribute="name")|map(attribute="name")|list
[1, "a"]|sort
[[2, 1], [1, 2]]|sort
l|reverse|list
"abc"|reverse
u|reverse
ls|unique|list
ls|unique(true)|list
[1, 1.0, true, 2]|unique|list
people|unique(attribute="age")|map(attribute="name")|list
l|min
l|max
e|min
ls|min
ls|max(case_sensitive=true)
people|max(attribute="age")
l|sum
e|sum
people|sum(attribute="age")
[1.5, 2]|sum(start=10)
ls|map("upper")|list
ls|map("replace", "a", "z")|list
["1", "x"]|map("int", default=5)|list
people|map(attribute="tags.0", default="-")|list
people|map(attribute="nope")|list
l|map("nope")|list
l|select("odd")|list
l|reject("odd")|list
[0, 1, "", "x", none]|select|list
[0, 1, "", "x"]|reject|list
l|select(">", 1)|list
l|select("greaterthan", 1)|list
l|select("in", [1, 3])|list
people|selectattr("tags")|map(attribute="name")|list
none|selectattr("tags")|map("nothing")|list
0|select("nothing")|list|length
undefined|rejectattr("a", "b")|list
people|selectattr("age", "equalto", 30)|map(attribute="name")|list
people|selectattr("age", "==", 30)|list|length
people|rejectattr("age", "eq", 30)|map(attribute="name")|list
people|rejectattr("tags")|map(attribute="name")|list
people|selectattr("tags", "undefined")|map(attribute="name")|list
people|selectattr("age", "lt", 30)|map(attribute="name")|first
l|select("nope")|list
l|batch(2)|list
l|batch(2, "-")|list
"a b  c"|wordcount
ml|indent
ml|indent(2)
ml|indent(2, true)
ml|indent(2, blank=true)
ml|indent("> ", true, true)
"a\n"|indent
""|indent(first=true)
"<a href='x'>&\"</a>"|e
"<b>"|escape
"<b>"|safe
5|string ~ "x"
[1]|string
s|list
d|tojson
l|tojson
{"a": [1, {"b": none}], "c": true, "d": 1.5, "e": "<é\"\\\n\t\x01\x7f>"}|tojson
{"a": [1, {"b": none}], "c": [], "e": {}}|tojson(indent=2)
[1, [2]]|tojson(indent=0)
[1, [2]]|tojson(indent="--")
u|tojson
u|tojson(ensure_ascii=true)
"\x7f\u2028"|tojson
"\x7f\u2028"|tojson(true)
{"b": 1, "a": 2}|tojson(sort_keys=true)
{"b": [1, 2], "a": 2}|tojson(separators=(",", ":"))
{"b": [1, 2]}|tojson(indent=1, separators=(", ", ":"))
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
{(1, 2): 3}|tojson
missing|tojson
range|tojson
(1, 2)|tojson
1e22|tojson
"3"|int
"3.7"|int
"x"|int
"x"|int(5)
"x"|int(default=9)
"ff"|int(base=16)
"0xff"|int(base=16)
"0b11"|int(0, 2)
" 42 "|int
"-5"|int
"1_000"|int
""|int
3.9|int
-3.9|int
true|int
none|int
l|int
"1e3"|int
"3.5"|float
"x"|float
"x"|float(1.5)
3|float
none|float
n|abs
-2.5|abs
(-2.5)|abs
42.55|round
42.55|round(1)
42.55|round(1, "floor")
42.45|round(1, "ceil")
2.5|round
3.5|round
2.675|round(2)
42|round
1234|round(-2)
42.4|round|int
5|round(method="bad")
i is defined
i is number
f is number
t is number
s is number
i is integer
t is integer
f is integer
f is float
i is float
t is boolean
i is boolean
s is string
i is string
no is none
missing is none
no is not none
d is mapping
l is mapping
l is sequence
s is sequence
d is sequence
i is sequence
l is iterable
s is iterable
i is iterable
missing is iterable
range is callable
s is callable
t is true
i is true
t is false
false is false
0 is false
i is odd
i is even
f is odd
i is divisibleby 7
i is divisibleby(2)
i is eq 7
i is equalto 7
i is == 7
i is ne 7
i is lt 8
i is gt 8
i is le 7
i is ge 7
i is in [1, 7]
i is not in [1, 7]
"el" is in s
s is sameas s
1 is sameas true
no is sameas none
l is sameas l
[1] is sameas [1]
"AB" is upper
"ab" is lower
"upper" is filter
"nope" is filter
"odd" is test
i is nope
i is not odd
i is odd and t
not i is odd
1 + 2 is odd
-1|abs
-i|abs
(1 + 2)|string + "x"
s|upper|lower|length
s | nope
s|upper()
s|upper(1)
s|default(nope=1)
[i for i in l]
1 +
1 if
"a" in 5
1 in "abc"
"a" + 1
1 + "a"
"a" - "b"
l + "a"
d + d
"a" < 1
none < 1
d < d
l["x"]
l[1.5]
{[1]: 2}
{"a": 1}[[1]]
1 / 0
1 // 0
1 % 0
1.0 % 0
0 ** -1
5()
none.x
none["x"] is defined
no.x is defined
i.x is defined
raise_exception("stop")
namespace(a=1).a
namespace(a=1).b
namespace({"a": 2}, b=3).b
namespace().x is defined
people[0].name
people[0]["tags"][1]
people[-1].tags
people|length > 2 and people[0].age >= 30
(people|first).name
people[1:]|map(attribute="name")|join(", ")
(l|sort)[0]
s.split(", ")[1].lower()[:3]
s.split(", ")|last|upper
{"user": "U", "assistant": "A"}["user"]
{"user": "U"}.get("x", "none")
{"a": {"b": [10, 20]}}.a.b[1]
l == [3, 1, 2]
"%s" % u
u ~ 1
u * 2
u in [u]
"a" * 0
[] or {} or ()
[1, 2,]
{"a": 1,}
"a.b.c".split(".")[::-1]|join(".")
*l
caller is defined
loop is defined
0x10 + 0b11 + 0o17
0xFF_FF
00
0_0
1__0
007
1.
.5
"é" < "z"
"é"|length
"😀"[0] == "😀"
"a\r\nb"
"%c" % "x"
"%i" % 3
"%5.1f|" % 2.25
"%+.3e" % 12345.6789
"%-8s|%8s" % ("é", "é")
1 == 1 == 1
2 > 1 in [1]
""|first is defined
" "|trim|length
"abc" is string and "b" in "abc"
[[1, 2], [3, 4]]|map("first")|list
[[1, 2], [3, 4]]|map("join", "-")|list
[[1, 2], [3, 4]]|sum(start=[])
["a", "b"]|map("string")|join
[3, 1]|map(attribute="x")|list
{"x": 1}|map("upper")|list
"a,b;c"|replace(",", ";")|replace(";", "|")
people|map(attribute="name")|map("lower")|sort|join(",")
people|selectattr("name", "in", ["Ann", "Cy"])|list|length
[1, 2, 3]|select("divisibleby", 2)|list
1000000 * 1000000
9223372036854775807
-9223372036854775807 - 1
1.0
1.10
12345678.9
1e100
5e-324
1.7976931348623157e308
3.0e-5
0.0001
0.00001
""".strip("\n")


def expressions():
    out, joined = [], ""
    for line in EXPRESSIONS.split("\n"):
        joined += line
        if joined.endswith("\\"):
            joined += "\n"
            continue
        out.append("{{ " + joined + " }}")
        joined = ""
    return out


BLOCKS = [
    # whitespace control
    "a\n{% if true %}\nb\n{% endif %}\nc\n",
    "a\n  {% if true %}  \n b\n  {% endif %}\nc\n\n",
    "a \n {%- if true -%} \n b \n {%- endif -%} \n c",
    "a\n  {%+ if true %}\nb\n  {%+ endif +%}\nc",
    "a {% if true +%}\nb{% endif %}",
    "  {{ i }}  \n  {{- i -}}  \n  {{ i }}\n",
    "  {{+ i }}",
    "x\n  {# comment #}\ny",
    "x\n  {#- comment -#}\n y",
    "x {# comment +#}\ny",
    "x\n\t {#+ c #}\ny{#-#} z",
    "x{# {{ broken {% #}y",
    "a  {% set x = 1 %}  b",
    "{% set x = 1 %}\n\n{% set y = 2 %}\nend",
    "\n\n{{ i }}\n\n",
    "line\r\n{% if true %}\r\nx\r\n{% endif %}\rend\r\n",
    "{{ 'a' -}}\n\n{{- 'b' }}",
    "{% raw %}\n{{ i }} {% if %} {# #}\n{% endraw %}\nx",
    "a\n  {%- raw -%}\n  {{ i }}\n  {%- endraw -%}\n  b",
    "a\n  {% raw %}{{ i }}\n  {% endraw %}\nb",
    "{%- if true %} a {%- endif %}\n  ",
    "{% if true %}a{% endif %}   ",
    "{ { i } } {x} %} }} #}",
    "{",
    "",
    "\n",
    "  ",
    "{{ {'a': {'b': 1}}.a.b }}{{ {} }}{{{'a': 1}}}",
    "{{i}}{{-i}}{{i-}} x",
    "{%if true%}x{%endif%}",
    # if
    "{% if no %}a{% elif i == 7 %}b{% elif t %}c{% else %}d{% endif %}",
    "{% if no %}a{% elif no %}b{% else %}d{% endif %}",
    "{% if missing %}a{% endif %}|",
    "{% if i > 3 and (s is string or no) and not missing %}ok{% endif %}",
    "{% if x is defined %}a{% else %}{% set x = 3 %}{% endif %}{{ x }}",
    # for
    "{% for x in l %}{{ x }},{% endfor %}",
    "{% for x in e %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in missing %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in no %}{{ x }}{% endfor %}",
    "{% for x in i %}{{ x }}{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% else %}no{% endfor %}",
    "{% for x in l if x > 9 %}{{ x }}{% else %}no{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}"
    "{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for x in l %}{{ loop.previtem.y }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }} {% endfor %}",
    "{% for x in l %}{{ loop.nope }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }};{% endfor %}",
    "{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}",
    "{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }} {% endfor %}",
    "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}",
    "{% for a, b in [1] %}{{ a }}{% endfor %}",
    "{% for c in u %}{{ c }}.{% endfor %}",
    "{% for x in 1, 2 %}{{ x }}{% endfor %}",
    "{% for x in l + [9] %}{{ x }}{% endfor %}",
    "{% for x in range(3) %}{% for y in range(2) %}{{ x }}{{ y }}{{ loop.index }}"
    "{{ loop.depth }} {% endfor %}{{ loop.index }};{% endfor %}",
    "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}"
    "{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% break %}{% else %}never{% endfor %}",
    "{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ y }}{% endfor %}"
    "{{ x }}{% endfor %}",
    "{% set x = 0 %}{% for y in l %}{% set x = y %}{{ x }}{% endfor %}{{ x }}",
    "{% for x in l %}{{ z }}{% set z = x %}{% endfor %}{{ z }}",
    "{% set x = 'o' %}{% for x in l %}{{ x }}{% endfor %}{{ x }}",
    "{% set ns = namespace(n=0, found=false) %}{% for x in l %}{% set ns.n = ns.n + x %}"
    "{% if x == 1 %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.n }}{{ ns.found }}",
    "{% for x in l %}\n  {{ x }}\n{% endfor %}\nend",
    "{% for x in l -%}\n  {{ x }}\n{%- endfor %}\nend",
    "{% for loop in l %}{{ loop }}{% endfor %}",
    "{% for x in l %}{% endfor %}{{ x }}",
    "{% for x in l %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for p in people if p.tags %}{{ p.name }}{{ loop.last }}{% endfor %}",
    "{% for x in l|sort|reverse %}{{ x }}{% endfor %}",
    "{% for x in people|map(attribute='name') %}{{ loop.index }}{{ x }}{% endfor %}",
    "{% for x in d.get('zz', []) %}{{ x }}{% else %}empty{% endfor %}",
    "{% for x in s[:3] %}{{ loop.revindex }}{{ x }}{% endfor %}",
    "{% break %}",
    "{% for x in l %}{% if x > 2 %}{% continue %}{% endif %}{{ x }}{% else %}never{% endfor %}",
    "{% for x in l %}{% continue %}{% else %}all{% endfor %}",
    "{% for a, loop in l %}{% endfor %}",
    "{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    # set
    "{% set x = 5 %}{{ x }}",
    "{% set x, y = 1, 2 %}{{ x }}{{ y }}",
    "{% set x, y = [1] %}{{ x }}",
    "{% set x = 1, 2 %}{{ x }}",
    "{% set x %}a{{ i }}b{% endset %}{{ x|upper }}",
    "{% set x | upper | replace('A', 'z') %}a{{ i }}b{% endset %}{{ x }}",
    "{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y }}",
    "{% set i = i + 1 %}{{ i }}",
    "{% set d.x = 1 %}",
    "{% set missing.x = 1 %}",
    "{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.a = ns.a + 1 %}{{ ns.a }}",
    "{% set ns = namespace(a=1) %}{% set ns.a %}blk{% endset %}{{ ns.a }}",
    "{% set x = [] %}{% set x = x + [1] %}{% set x = x + [2] %}{{ x }}",
    "{% set x = {'a': 1} %}{% set x = dict(x, b=2) %}{{ x }}",
    "{% if true %}{% set x = 1 %}{% endif %}{{ x }}",
    "{% with a = 1, b = i %}{{ a }}{{ b }}{% set c = 3 %}{{ c }}{% endwith %}{{ a }}{{ c }}",
    "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}",
    "{% set range = 5 %}{{ range }}",
    # macros
    "{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}|{% endmacro %}"
    "{{ m(1) }}{{ m(1, 3) }}{{ m(1, c='z') }}{{ m(b=5, a=4) }}{{ m() }}",
    "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(1) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}",
    "{% macro m(a) %}{{ varargs|length }}{% endmacro %}{{ m(1, 2, 3) }}",
    "{% macro m(a, b=a + 1) %}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}",
    "{% macro m() %}{% set x = 9 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}",
    "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
    "{% macro m() %} a {% endmacro %}{{ m()|trim ~ m() }}|{{ m()|length }}",
    "{% macro m() -%}\n  a\n{%- endmacro %}{{ m() }}",
    "{% macro a() %}A{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
    "{% macro m(x) %}<{{ caller() }}>{{ x }}{% endmacro %}{% call m(1) %}in{{ i }}{% endcall %}",
    "{% macro m() %}{% for x in l %}{{ caller(x, 'y') }}{% endfor %}{% endmacro %}"
    "{% call(a, b='z') m() %}{{ a }}{{ b }};{% endcall %}",
    "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}",
    "{% for x in l %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro m(args) %}{{ args }}{% endmacro %}{{ m(*[1]) }}{{ m(**{'args': 2}) }}",
    "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}",
    "{% macro render(m) %}{% if m is string %}{{ m }}{% else %}{% for x in m %}{{ render(x) }}"
    "{% endfor %}{% endif %}{% endmacro %}{{ render(['a', ['b', ['c']]]) }}",
    "{{ m() }}{% macro m() %}x{% endmacro %}",
    "{% if false %}{% macro m() %}x{% endmacro %}{% endif %}{{ m is defined }}",
    # filter blocks, generation
    "{% filter upper %}abc {{ s }}{% endfilter %}",
    "{% filter replace('a', 'b')|upper %}banana{% endfilter %}",
    "{% filter indent(2, true) %}a\nb{% endfilter %}",
    "{% filter nope %}a{% endfilter %}",
    "a{% generation %}b{{ i }}{% endgeneration %}c",
    "{% for x in l %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{% generation %}{% set q = 1 %}{% endgeneration %}{{ q }}",
    "a\n{% generation %}\n  b\n{% endgeneration %}\nc",
    # errors
    "{% if true %}",
    "{% endif %}",
    "{% nope %}",
    "{% for x l %}{% endfor %}",
    "{% set = 1 %}",
    "{{ }}",
    "{{ i",
    "{% if %}{% endif %}",
    "{{ 'abc }}",
    "{# abc",
    "{{ (1 }}",
    "{{ 1) }}",
    "{{ a b }}",
    "{% else %}",
    "{% if true %}{% else %}{% else %}{% endif %}",
    "{% for x in l %}{% endif %}",
    "{% set none = 1 %}",
    "{{ raise_exception('no ' ~ i) }}",
    "{% if i == 7 %}{{ raise_exception('x') }}{% endif %}",
    "{% if i == 8 %}{{ raise_exception('x') }}{% endif %}ok",
]

# Written for this test, with the constructs that templates of released models use.
CHATS = [
    # ChatML
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}",
    # a default system message
    "{%- if messages[0].role == 'system' %}\n    {{- '<|im_start|>system\\n' + messages[0].content "
    "+ '<|im_end|>\\n' }}\n{%- else %}\n    {{- '<|im_start|>system\\nDefault.<|im_end|>\\n' }}\n"
    "{%- endif %}\n{%- for m in messages %}\n    {%- if (m.role == 'user') or (m.role == 'system' "
    "and not loop.first) or (m.role == 'assistant' and not m.tool_calls) %}\n        "
    "{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' + '\\n' }}\n    {%- endif %}\n"
    "{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n"
    "{%- endif %}\n",
    # instruction brackets, system folded into the first turn, alternation checked
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}"
    "{% endif %}{% endfor %}",
    # header ids
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
    "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim "
    "+ '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    # tools, a date, a namespace
    "{{- bos_token }}\n{%- if not date_string is defined %}\n    {%- set date_string = '26 Jul "
    "2024' %}\n{%- endif %}\n{%- if messages and messages[0]['role'] == 'system' %}\n    "
    "{%- set system = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n"
    "{%- else %}\n    {%- set system = '' %}\n{%- endif %}\n{{- 'system: ' ~ date_string ~ '\\n' }}"
    "\n{%- if tools is not none %}\n    {{- 'Tools:\\n' }}\n    {%- for t in tools %}\n        "
    "{{- t | tojson(indent=4) }}\n        {{- '\\n\\n' }}\n    {%- endfor %}\n{%- endif %}\n"
    "{{- system }}\n{%- for message in messages %}\n    {%- if not (message.role == 'ipython' or "
    "'tool_calls' in message) %}\n        {{- '[' + message['role'] + ']' + message['content'] | "
    "trim }}\n    {%- elif 'tool_calls' in message %}\n        {{- raise_exception('no') }}\n    "
    "{%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '[assistant]' }}\n"
    "{%- endif %}\n",
    # roles by branches with newlines kept
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + "
    "message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' "
    "+ message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n"
    "{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and "
    "add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    # start of turn, renamed role, system refused
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}"
    "{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + "
    "message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{'<start_of_turn>model\n'}}{% endif %}",
    # the last user turn found from the end, thoughts cut off
    "{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}\n"
    "{%- for message in messages[::-1] %}\n    {%- set index = (messages|length - 1) - "
    "loop.index0 %}\n    {%- if ns.multi_step and message.role == 'user' and message.content is "
    "string and not(message.content.startswith('<tool>') and message.content.endswith('</tool>'))"
    " %}\n        {%- set ns.multi_step = false %}\n        {%- set ns.last = index %}\n    "
    "{%- endif %}\n{%- endfor %}\n{%- for message in messages %}\n    {%- set content = "
    "message.content %}\n    {%- if message.role == 'assistant' %}\n        {%- if '</think>' in "
    "content %}\n            {%- set reasoning = content.split('</think>')[0].rstrip('\\n')"
    ".split('<think>')[-1].lstrip('\\n') %}\n            {%- set content = "
    "content.split('</think>')[-1].lstrip('\\n') %}\n        {%- endif %}\n        "
    "{%- if loop.index0 > ns.last %}\n            {{- '(' ~ reasoning ~ ')' }}\n        "
    "{%- endif %}\n    {%- endif %}\n    {{- message.role ~ ': ' ~ content ~ '\\n' }}\n"
    "{%- endfor %}",
    # a macro over nested properties
    "{%- macro walk(props, depth=0) %}\n{%- for key, value in props | dictsort %}\n    "
    "{{- '  ' * depth ~ key ~ ':' }}\n    {%- if value is mapping %}\n        {{- '\\n' ~ "
    "walk(value, depth + 1) }}\n    {%- elif value is iterable and value is not string %}\n        "
    "{{- value | tojson ~ '\\n' }}\n    {%- else %}\n        {{- ' ' ~ value ~ '\\n' }}\n    "
    "{%- endif %}\n{%- endfor %}\n{%- endmacro -%}\n{% if tools %}{{ walk(tools[0]) }}{% endif %}"
    "{% for m in messages %}{{ walk(m) }}{% endfor %}",
    # generation blocks
    "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    # filters over messages
    "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | map('trim') "
    "| join(' | ') }}{{ (messages | selectattr('role', 'eq', 'system') | list | first | "
    "default({'content': 'none'})).content }}{{ messages | rejectattr('role', 'in', ['system', "
    "'tool']) | list | length }}",
    "{% for m in messages %}{{ m | tojson }}{% endfor %}{{ messages }}",
]


def cases():
    env = environment()
    work = [(t, VARIABLES) for t in expressions() + BLOCKS]
    work += [(t, v) for t in CHATS for v in (CHAT, NO_SYSTEM, EMPTY, BAD_ORDER, TOOLS)]
    for template, variables in work:
        used = variables
        if variables is VARIABLES:
            used = {k: v for k, v in variables.items() if k in template}
        case = {"template": template, "variables": used}
        try:
            case["expected"] = env.from_string(template).render(**json.loads(json.dumps(used)))
        except Exception as error:
            case["error"] = f"{type(error).__name__}: {error}"
        yield case


if __name__ == "__main__":
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.json")
    with open(path, "w", encoding="utf-8") as out:
        lines = [json.dumps(case, ensure_ascii=True) for case in cases()]
        out.write("[\n" + ",\n".join(lines) + "\n]\n")
    print(len(lines), "cases")
