"""The official openai client of npm against a cluster; the cases are in openai/."""

import pathlib
import tempfile
import unittest

import node_cases
from cluster import DEMO, long_model
from http_client import KEY, http_cluster, key_file

TEMPLATE = """{% if tools %}TOOLS {% for tool in tools %}{{ tool | tojson }}{% endfor %}
{% endif %}{% for message in messages %}{{ message.role }}: {{ message.content }}
{%- for call in message.tool_calls or [] %}

<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>
{% endfor %}{% if message.tool_call_id %} ({{ message.tool_call_id }}){% endif %}

{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"""


@node_cases.needs_npm
class OpenAiClientTest(unittest.TestCase):
    def run_cases(self, file, cluster):
        node_cases.run(self, "openai", file, BASE_URL=f"http://{cluster.http}/v1", MODEL="m", API_KEY=KEY)

    def cluster(self, folder, model, *flags):
        return http_cluster(model, 1, ["--served_model_name=m", f"--api_key_file={key_file(folder)}", *flags])

    def test_openai_client_with_the_demo_model(self):
        with tempfile.TemporaryDirectory() as folder, self.cluster(folder, DEMO) as cluster:
            self.run_cases("demo.test.mjs", cluster)

    def test_openai_client_with_long_answers(self):
        with tempfile.TemporaryDirectory() as folder, long_model(tokenizer=True) as model:
            flags = ["--load_format=dummy", "--context=30000", "--max_sequences=1", "--max_queue=1"]
            with self.cluster(folder, model, *flags) as cluster:
                self.run_cases("long.test.mjs", cluster)

    def test_openai_client_with_tools(self):
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "model"
            model.mkdir()
            for file in DEMO.iterdir():
                (model / file.name).symlink_to(file)
            (model / "chat_template.jinja").write_text(TEMPLATE)
            with self.cluster(folder, model) as cluster:
                self.run_cases("tools.test.mjs", cluster)


if __name__ == "__main__":
    unittest.main()
