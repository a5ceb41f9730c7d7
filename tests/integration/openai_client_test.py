"""The official openai client of npm against a cluster; the cases are in openai/."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from cluster import BIN, DEMO, ROOT, Cluster, long_model
from http_client import KEY, http_cluster, key_file

CASES = ROOT / "tests/integration/openai"
FOLDER = BIN.parent / "openai_client"  # of the build, with node_modules
TEMPLATE = """{% if tools %}TOOLS {% for tool in tools %}{{ tool | tojson }}{% endfor %}
{% endif %}{% for message in messages %}{{ message.role }}: {{ message.content }}
{%- for call in message.tool_calls or [] %}

<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>
{% endfor %}{% if message.tool_call_id %} ({{ message.tool_call_id }}){% endif %}

{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"""


def install():
    """What the lock file names, once for all tests that run side by side."""
    wanted = hashlib.sha256((CASES / "package-lock.json").read_bytes()).hexdigest()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "installed", "a+") as stamp:
        fcntl.flock(stamp, fcntl.LOCK_EX)
        stamp.seek(0)
        if stamp.read() == wanted:
            return
        for name in ("package.json", "package-lock.json"):
            shutil.copy(CASES / name, FOLDER)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=FOLDER, check=True, capture_output=True, timeout=240)
        stamp.truncate(0)
        stamp.write(wanted)


@unittest.skipUnless(shutil.which("npm") and shutil.which("node"), "npm is missing: deploy/install_packages.sh tests")
class OpenAiClientTest(unittest.TestCase):
    def run_cases(self, name, cluster):
        install()
        # Node finds packages beside the file.
        shutil.copy(CASES / name, FOLDER)
        environment = {**os.environ, "BASE_URL": f"http://{cluster.http}/v1", "MODEL": "m", "API_KEY": KEY}
        result = subprocess.run(
            ["node", "--test", FOLDER / name], env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

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
