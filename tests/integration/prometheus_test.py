"""The metrics of a live cluster in a real Prometheus: every panel of the dashboard has data, every rule is sound."""

import contextlib
import json
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest
import urllib.parse
import urllib.request

from cluster import BIN, DEMO, ROOT, Cluster, Failed, wait_until

DASHBOARD = ROOT / "deploy/grafana/dashboard.json"
ALERTS = ROOT / "deploy/prometheus/alerts.yml"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


def expressions():
    """Of every target of every panel, with intervals that fit a test."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = []
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            found.append((panel["title"], target["expr"].replace("$__rate_interval", "1m")))
    return found


class Prometheus:
    """Debian's, scraping one address as the job "gantry", with the rules of deploy/."""

    def __init__(self, folder, target):
        self.url = f"http://127.0.0.1:{free_port()}"
        config = {
            "global": {"scrape_interval": "200ms", "evaluation_interval": "200ms"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [{"job_name": "gantry", "static_configs": [{"targets": [target]}]}],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
        self.log = folder / "prometheus.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address={self.url.removeprefix('http://')}"],
                stdout=log, stderr=log,
            )  # fmt: skip

    def ready(self):
        if self.process.poll() is not None:
            raise Failed(f"prometheus ended:\n{self.log.read_text()}")
        with contextlib.suppress(OSError):
            return fetch(self.url + "/-/ready")

    def query(self, expression):
        """The values, none of them NaN."""
        answer = json.loads(fetch(f"{self.url}/api/v1/query?" + urllib.parse.urlencode({"query": expression})))
        values = [float(sample["value"][1]) for sample in answer["data"]["result"]]
        return [value for value in values if value == value]

    def rules(self):
        groups = json.loads(fetch(f"{self.url}/api/v1/rules"))["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def stop(self):
        self.process.terminate()
        self.process.wait()


@unittest.skipUnless(shutil.which("prometheus") and shutil.which("promtool"), "needs Debian's package prometheus")
class PrometheusTest(unittest.TestCase):
    def test_rules_are_sound(self):
        result = subprocess.run(["promtool", "check", "rules", ALERTS], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_every_panel_of_the_dashboard_has_data(self):
        with contextlib.ExitStack() as stack:
            cluster = stack.enter_context(Cluster(DEMO, 2, ["--http=127.0.0.1:0"]))
            target = wait_until(
                lambda: re.search(r"HTTP at http://(\S+)\n", cluster.coordinator.log()), "the coordinator serves HTTP"
            )[1]
            text = fetch(f"http://{target}/metrics")
            checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
            # It would have no histogram called ..._total, which is vLLM's name.
            lines = (checked.stdout + checked.stderr).splitlines()
            complaints = [line for line in lines if "gantry_iteration_tokens_total" not in line]
            self.assertEqual(complaints, [])

            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gantry-test-")))
            prometheus = Prometheus(folder, target)
            stack.callback(prometheus.stop)
            wait_until(prometheus.ready, "prometheus is ready")
            # A rate needs two samples, one of them from before the load, and a stage has some after its first step. That
            # is of a probe, which counts as no request.
            self.assertIn("ready", fetch(f"http://{target}/readyz"))
            wait_until(lambda: len(prometheus.query("gantry_stage_queue_seconds_count")) == 2, "the first samples")
            load = [BIN / "bench", f"--server={cluster.address}", "--prompt_tokens=20", "--max_new_tokens=8"]
            subprocess.run([*load, "--concurrency=4", "--requests=8", "--warmup=0"], check=True, capture_output=True)
            for title, expression in expressions():
                with self.subTest(panel=title, expression=expression):
                    wait_until(lambda expression=expression: prometheus.query(expression), expression)

            # When it has scraped after the last of them; nothing comes later.
            wait_until(lambda: prometheus.query("sum(gantry_request_success_total) >= 8"), "the requests are counted")
            self.assertEqual(prometheus.query("sum(gantry_request_success_total)"), [8])
            self.assertEqual(prometheus.query("sum(gantry_request_generation_tokens_sum)"), [64])
            self.assertEqual(prometheus.query("count(gantry_worker_up)"), [2])
            # A row of floats of every token that was computed; the last one of an answer need not be.
            row = json.loads((DEMO / "config.json").read_text())["hidden_size"] * 4
            wait_until(
                lambda: prometheus.query(f'gantry_stage_sent_bytes_total{{stage="0"}} >= {8 * (20 + 7) * row}'),
                "the activations are counted",
            )
            wait_until(lambda: {rule["health"] for rule in prometheus.rules()} == {"ok"}, "the rules are evaluated")
            self.assertEqual({rule["state"] for rule in prometheus.rules()}, {"inactive"})


if __name__ == "__main__":
    unittest.main()
