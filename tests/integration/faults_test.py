"""Workers that hold any layers, vanish, come back, or differ."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from cluster import BIN, DEMO, MODELS, Cluster, ids, wait_until
from requests_test import DUMMY, LONG, idle, long_model

CASE = json.loads((MODELS / "llama-tied/reference.json").read_text())["cases"][1]
GREEDY = [ids(CASE["prompt"]), "--temperature=0", "--min_new_tokens=24", "--max_new_tokens=24"]


class FaultsTest(unittest.TestCase):
    def test_device_map_may_return_to_a_worker(self):
        device_map = {
            "model.embed_tokens": "cpu-0",
            "model.layers.0": "cpu-1",
            "model.layers.1": "cpu-0",
            "model.layers.2": "cpu-1",
            "model.layers.3": "cpu-0",
            "model.norm": "cpu-1",
            "lm_head": "cpu-0",
        }
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "map.json"
            path.write_text(json.dumps(device_map))
            with Cluster(MODELS / "llama-mha-sharded", 2, [f"--device_map={path}"]) as cluster:
                self.assertEqual(cluster.status()["device_map"], device_map)
                reference = json.loads((MODELS / "llama-mha-sharded/reference.json").read_text())
                for case in reference["cases"]:
                    flags = [ids(case["prompt"]), *GREEDY[1:]]
                    self.assertEqual(cluster.tokens(*flags), case["greedy"])

    def test_plan_of_the_planner_is_the_placement_that_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "map.json"
            command = ["planner", f"--model={DEMO}", "--cpus=2x1GB", "--objective=throughput", "--context=256",
                       "--format=device_map", f"--output={path}"]  # fmt: skip
            subprocess.run([BIN / command[0], *command[1:]], check=True, timeout=60)
            names = {"cpu": "cpu-0", "cpu:1": "cpu-1"}
            planned = {module: names[device] for module, device in json.loads(path.read_text()).items()}
            planned.pop("model.rotary_emb", None)
            self.assertEqual(set(planned.values()), set(names.values()))
            with Cluster(DEMO, 2, [f"--device_map={path}", "--context=256"]) as cluster:
                self.assertEqual(cluster.status()["device_map"], planned)

    def test_optimal_leaves_spare_what_would_slow_it_down(self):
        with Cluster(DEMO, 2, ["--device_map=optimal"]) as cluster:
            status = cluster.status()
            self.assertEqual(len(set(status["device_map"].values())), 1)
            self.assertGreater(status["predicted"]["decode_tokens_per_s"], 0)
            self.assertGreater(status["stages"][0]["predicted_ms"], 0)

    def test_requests_go_on_where_a_lost_worker_is_replaced(self):
        sampled = [ids([5 + i % 900 for i in range(100)]), "--temperature=2", "--seed=7",
                   "--min_new_tokens=300", "--max_new_tokens=300"]  # fmt: skip
        with Cluster(DEMO, 2) as cluster:
            before = cluster.tokens(*sampled)
            with cluster.streaming(*sampled) as client:
                cluster.workers.pop("cpu-1").kill()
                cluster.start_worker("cpu-2")
                rest, error = client.communicate()
            self.assertEqual(client.returncode, 0, error)
            lines = [json.loads(line) for line in rest.splitlines()]
            self.assertEqual([line["index"] for line in lines[:-1]], list(range(1, 300)))
            self.assertEqual([line["token_id"] for line in lines[:-1]], before[1:])
            counters = cluster.status()["counters"]
            self.assertEqual((counters["requests_failed"], counters["requests_recovered"]), (0, 1))
            wait_until(lambda: idle(cluster.status()), "all is freed")

    def test_killed_worker_ends_its_requests_and_another_takes_its_place(self):
        with long_model() as model, Cluster(model, 2, [*DUMMY, "--recovery_timeout=0s"]) as cluster:
            before = cluster.tokens(*GREEDY)
            epoch = cluster.status()["epoch"]
            with cluster.streaming(*LONG, "--retry_for=0s") as client:
                cluster.workers.pop("cpu-1").kill()
                _, error = client.communicate()
            self.assertEqual(client.returncode, 1)
            self.assertIn("UNAVAILABLE", error)
            self.assertIn("cpu-1", error)
            self.assertRegex(error, r"layers?\.?\D*\d")
            status = wait_until(
                lambda: (lambda now: now if not now["ready"] else None)(cluster.status()), "the loss is noticed"
            )
            self.assertTrue(idle(status))
            self.assertTrue(status["reason"])
            self.assertEqual(cluster.generate(*GREEDY, "--retry_for=0s").returncode, 1)
            cluster.start_worker("cpu-2")
            cluster.wait_until_ready()
            self.assertEqual(cluster.tokens(*GREEDY), before)
            self.assertGreater(cluster.status()["epoch"], epoch)

    def test_first_worker_killed_too(self):
        with Cluster(MODELS / "llama-tied", 2) as cluster:
            self.assertEqual(cluster.tokens(*GREEDY), CASE["greedy"])
            cluster.workers.pop("cpu-0").kill()
            wait_until(lambda: not cluster.status()["ready"], "the loss is noticed")
            cluster.start_worker("cpu-0")
            cluster.wait_until_ready()
            self.assertEqual(cluster.tokens(*GREEDY), CASE["greedy"])

    def test_name_that_is_taken_is_refused(self):
        with Cluster(MODELS / "llama-tied", 1) as cluster:
            second = cluster.start(
                "second", ["worker", f"--coordinator={cluster.address}", "--name=cpu-0", "--device=cpu",
                           "--memory=1GB", "--listen=127.0.0.1:0"],
            )  # fmt: skip
            second.expect_exit(5)
            self.assertIn("cpu-0", second.log())
            self.assertEqual(cluster.tokens(*GREEDY), CASE["greedy"])

    def test_worker_with_other_files_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            other = pathlib.Path(folder) / "model"
            shutil.copytree(DEMO, other)
            with open(other / "model.safetensors", "r+b") as file:
                header = file.read(4096)
                file.seek(header.index(b'"BF16"'))
                file.write(b'"F16" ')
            with Cluster(DEMO, 1, worker_flags=[f"--model_root={folder}"], wait_ready=False) as cluster:
                worker = cluster.workers.pop("cpu-0")
                worker.expect_exit(5)
                for log in (cluster.coordinator.log(), worker.log()):
                    headers = re.search(r"model.safetensors: .* header (\w{16}), .* header (\w{16})", log)
                    self.assertNotEqual(headers[1], headers[2])
                self.assertFalse(cluster.status()["ready"])


if __name__ == "__main__":
    unittest.main()
