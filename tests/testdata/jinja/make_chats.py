"""Writes chats.json: the templates of chats/, conversations, and what Jinja2 renders of each pair in
the environment that transformers uses. The templates are written for this test; each has the tags,
the loops and the filters of some family of published ones. Run with jinja2 installed."""

import datetime
import json
import os

import make_cases

FOLDER = os.path.dirname(os.path.abspath(__file__))
NOW = 1_700_000_000  # strftime_now's, in UTC

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather <now> & \"later\"",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Größe, 'x'"},
                    "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
                    "days": {"type": ["integer", "string"], "minimum": 1},
                    "at": {"type": "array", "items": {"type": "number"}},
                },
                "required": ["city"],
            },
            "return": {"type": "object", "properties": {}},
        },
    },
    {
        "type": "function",
        "function": {
            "name": "stop",
            "description": "Stops",
            "parameters": {"type": "object", "properties": {}},
        },
    },
]


def says(role, content, **more):
    return {"role": role, "content": content, **more}


SYSTEM = says("system", "You are  brief.\n")
ARGUMENTS = {"city": "Zürich", "days": 2, "deep": {"a": [1, 2.5, None, True]}}
CALL = {
    "id": "abcdef123",
    "type": "function",
    "function": {"name": "get_weather", "arguments": ARGUMENTS},
}
RESULT = says("tool", '{"t": 21}', name="get_weather", tool_call_id="abcdef123")

CHATS = {
    "question": {"messages": [says("user", "Hi <|im_end|> {{ x }} 'q' \"d\"")]},
    "system": {"messages": [SYSTEM, says("user", " Grüße 😀 \n")]},
    "turns": {
        "messages": [
            SYSTEM,
            says("user", "a"),
            says("assistant", "<think>\nhm\n</think>\n\nb "),
            says("user", "c\r\nd\n\ne"),
            says("assistant", "f"),
        ],
        "add_generation_prompt": False,
    },
    "tools": {"messages": [SYSTEM, says("user", "weather?")], "tools": TOOLS},
    "call": {
        "messages": [
            says("user", "weather?"),
            says("assistant", "", tool_calls=[CALL]),
            RESULT,
            says("assistant", "21."),
            says("user", "ok?"),
        ],
        "tools": TOOLS,
    },
    "calls": {
        "messages": [
            SYSTEM,
            says("user", "twice"),
            says("assistant", "I look.", tool_calls=[CALL, CALL]),
            RESULT,
            dict(RESULT, content="second"),
        ],
        "tools": TOOLS,
        "add_generation_prompt": False,
    },
    "parts": {
        "messages": [
            says("user", [{"type": "text", "text": " one "}, {"type": "text", "text": "two"}])
        ]
    },
    "no_thinking": {"messages": [SYSTEM, says("user", "x")], "enable_thinking": False},
    "thinking": {
        "messages": [
            says("user", "x"),
            says("assistant", "y", reasoning_content="because", thinking="because"),
        ],
        "add_generation_prompt": False,
        "reasoning_effort": "high",
    },
    "documents": {
        "messages": [says("user", "x")],
        "documents": [{"text": "one two"}, {"text": "three", "doc_id": "d2"}],
        "controls": {"length": "long"},
    },
    "two_answers": {"messages": [says("assistant", "x"), says("assistant", "y")]},
    "nothing": {"messages": []},
}
DEFAULTS = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "add_generation_prompt": True,
    "tools": None,
    "documents": None,
}


def strftime_now(form):
    return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(form)


def render(env, template, chat):
    try:
        return env.from_string(template).render(**json.loads(json.dumps(chat)))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    env = make_cases.environment()
    env.globals["strftime_now"] = strftime_now
    chats = {name: {**DEFAULTS, **chat} for name, chat in CHATS.items()}
    templates = {}
    for file in sorted(os.listdir(os.path.join(FOLDER, "chats"))):
        with open(os.path.join(FOLDER, "chats", file), encoding="utf-8") as source:
            templates[file.removesuffix(".jinja")] = source.read()
    expected = {
        name: {chat: render(env, template, variables) for chat, variables in chats.items()}
        for name, template in templates.items()
    }
    with open(os.path.join(FOLDER, "chats.json"), "w", encoding="utf-8") as out:
        json.dump({"now": NOW, "chats": chats, "expected": expected}, out, indent=1)
        out.write("\n")
    print(sum(len(texts) for texts in expected.values()), "texts")
