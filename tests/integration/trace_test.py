"""Where the time of requests goes: traces, the ids by which they are found, and lines of the log."""

import json
import re
import tempfile
import unittest

from cluster import DEMO, MODELS, Cluster, ids, long_model, wait_until
from http_client import ask, connect, http_cluster, key_file, read_head, request_bytes

PROMPT = ids([5 + i % 900 for i in range(100)])
SAMPLED = [PROMPT, "--min_new_tokens=20", "--max_new_tokens=20"]
DUMMY = ["--load_format=dummy", "--context=30000"]
QUESTION = {"messages": [{"role": "user", "content": "How many bytes are in one gigabyte?"}], "n": 2}


def told(trace):
    """Seconds that the parts of a step, or of the steps of a phase, add up to."""
    return trace["transfer_s"] + sum(stage["queued_s"] + stage["computed_s"] for stage in trace["stages"])


def request_lines(cluster):
    lines = [json.loads(line) for line in cluster.coordinator.log().splitlines() if line.startswith("{")]
    return [line for line in lines if "request_id" in line]


class TraceTest(unittest.TestCase):
    def test_trace_of_a_request_adds_up(self):
        with Cluster(DEMO, 3, ["--max_step_tokens=30"]) as cluster:
            *_, finish, last = cluster.generate_json(*SAMPLED, "--trace")
            trace = last["trace"]
            self.assertEqual(trace["finished_reason"], "length")
            self.assertEqual((trace["prompt_tokens"], trace["completion_tokens"]), (100, 20))
            self.assertAlmostEqual(trace["queue_s"], finish["queue_s"])
            phases = [trace["prefill"], trace["decode"]]
            self.assertEqual([phase["steps"] for phase in phases], [4, 19])
            for phase, seconds in zip(phases, (finish["prefill_s"], finish["decode_s"]), strict=True):
                self.assertAlmostEqual(phase["seconds"], seconds)
                self.assertEqual(len(phase["stages"]), 3)
                self.assertTrue(all(stage["computed_s"] > 0 for stage in phase["stages"]))
                self.assertAlmostEqual(told(phase), phase["steps_s"])
                self.assertGreater(phase["transfer_s"], 0)
                # Chunks of a prompt overlap; tokens follow each other.
                self.assertLessEqual(phase["seconds"] - phase["idle_s"], phase["steps_s"] + 1e-6)
            decode = trace["decode"]
            self.assertAlmostEqual(decode["seconds"], decode["idle_s"] + decode["steps_s"], delta=1e-4)

            steps = trace["steps"]
            self.assertEqual((len(steps), trace["steps_left_out"]), (23, 0))
            self.assertEqual([step["tokens"] for step in steps], [30, 30, 30, 10] + [1] * 19)
            for step in steps:
                self.assertAlmostEqual(told(step), step["seconds"])
                self.assertEqual(step["step_tokens"], step["tokens"])
            self.assertAlmostEqual(sum(step["seconds"] for step in steps), sum(phase["steps_s"] for phase in phases))
            end = steps[-1]["sent_s"] + steps[-1]["seconds"]
            self.assertAlmostEqual(end, trace["queue_s"] + sum(phase["seconds"] for phase in phases), delta=1e-2)

            text = cluster.generate(*SAMPLED, "--trace").stdout
            for word in ("request   client-", "queue", "prefill", "decode", "PREFILL WAITS", "SENT AT"):
                self.assertIn(word, text)
            # What the first has left in the cache.
            self.assertIn("(96 shared)", text)

    def test_traces_follow_requests_that_run_and_steps_are_bounded(self):
        with long_model() as model, http_cluster(model, 1, DUMMY) as cluster:
            with cluster.streaming(ids([1, 2, 3]), "--ignore_eos", "--max_new_tokens=20000"):

                def latest():
                    return ask(cluster, "GET", "/v1/traces")[1]["data"][0]

                wait_until(lambda: latest()["completion_tokens"] > 1000, "it runs for a while")
                self.assertIsNone(latest()["finished_reason"])
                whole = ask(cluster, "GET", "/v1/traces/" + latest()["request_id"])[1]["data"][0]
                self.assertLess(len(whole["steps"]), 400)
                steps = whole["prefill"]["steps"] + whole["decode"]["steps"]
                self.assertEqual(len(whole["steps"]) + whole["steps_left_out"], steps)
            wait_until(lambda: latest()["finished_reason"] == "abort", "it is cancelled")
            self.assertIn("gone", latest()["error"])

    def test_requests_are_named_in_headers_traces_and_the_log(self):
        with http_cluster(DEMO, 1, ["--log_format=json"]) as cluster:

            def chat(*headers, **fields):
                with connect(cluster) as peer, peer.makefile("rb") as stream:
                    body = {**QUESTION, **fields}
                    peer.sendall(request_bytes("POST", "/v1/chat/completions", body, headers))
                    status, found = read_head(stream)
                    stream.read(int(found.get("content-length", 0)))
                return status, found["x-request-id"]

            self.assertEqual(chat("X-Request-Id: mine/1"), (200, "mine/1"))
            _, chosen = chat("X-Request-Id: not one")
            self.assertRegex(chosen, "^gen-[0-9a-f]{16}$")
            self.assertEqual(chat("X-Request-Id: bad", temperature=-1), (400, "bad"))
            self.assertEqual(ask(cluster, "GET", "/readyz")[0], 200)

            by_id = {line["request_id"]: line for line in request_lines(cluster)}
            self.assertEqual(set(by_id), {"mine/1", chosen})
            line = by_id["mine/1"]
            self.assertEqual((line["level"], line["finished_reason"], line["client"]), ("info", "stop", ""))
            (trace,) = ask(cluster, "GET", "/v1/traces/mine%2F1")[1]["data"]
            self.assertEqual(trace["n"], 2)
            for field in ("prompt_tokens", "completion_tokens", "shared_prompt_tokens", "finished_reason"):
                self.assertEqual(line[field], trace[field], field)
            for name in ("prefill", "decode"):
                self.assertAlmostEqual(line[f"{name}_s"], trace[name]["seconds"], delta=1e-5)
            self.assertEqual(ask(cluster, "GET", "/v1/traces/nobody")[0], 404)
            # Requests and not their answers, and none of the coordinator's own.
            counters = ask(cluster, "GET", "/api/status")[1]["counters"]
            self.assertEqual(counters["requests_finished"], 2)
            metrics = ask(cluster, "GET", "/metrics")[1].decode()
            ended = re.findall(r"^gantry_request_success_total\{.*\} (\d+)", metrics, re.MULTILINE)
            self.assertEqual(sum(map(int, ended)), 2)

    def test_keys_see_traces_of_their_own(self):
        with tempfile.TemporaryDirectory() as folder:
            with http_cluster(DEMO, 1, [f"--api_key_file={key_file(folder)}"]) as cluster:
                self.assertEqual(ask(cluster, "GET", "/v1/traces")[0], 401)
                key = ["Authorization: Bearer a key that only tests have"]
                cluster.tokens(ids([1, 2, 3]), "--max_new_tokens=2")  # of gRPC, and so nobody's
                self.assertEqual(ask(cluster, "GET", "/v1/traces", headers=key)[1]["data"], [])
                self.assertEqual(ask(cluster, "POST", "/v1/chat/completions", QUESTION, key)[0], 200)
                (trace,) = ask(cluster, "GET", "/v1/traces", headers=key)[1]["data"]
                self.assertEqual(trace["client"], "tests")

    def test_a_request_that_goes_on_says_so(self):
        case = json.loads((MODELS / "llama-tied/reference.json").read_text())["cases"][1]
        flags = [ids(case["prompt"]), "--ignore_eos", "--max_new_tokens=4000", "--trace"]
        with long_model() as model, Cluster(model, 2, DUMMY) as cluster:
            with cluster.streaming(*flags) as client:
                cluster.workers.pop("cpu-1").kill()
                cluster.start_worker("cpu-2")
                rest, error = client.communicate()
            self.assertEqual(client.returncode, 0, error)
            trace = json.loads(rest.splitlines()[-1])["trace"]
            self.assertEqual(trace["recoveries"], 1)
            phases = trace["prefill"]["idle_s"], trace["decode"]["idle_s"]
            self.assertGreater(max(phases), 0.01)
            self.assertGreater(cluster.status()["counters"]["replayed_tokens"], len(case["prompt"]))
            self.assertRegex(cluster.coordinator.log(), r"request ended .* recoveries=1")


if __name__ == "__main__":
    unittest.main()
