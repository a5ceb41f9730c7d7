"""HTTP on raw sockets: bad input, many streams, slow clients. OpenAI's own client is in openai_client_test.py."""

import contextlib
import json
import os
import pathlib
import resource
import selectors
import signal
import socket
import statistics
import tempfile
import time
import unittest

from cluster import DEMO, Cluster, long_model, wait_until
from http_client import KEY, ask, connect, http_cluster, key_file, read_head, request_bytes

QUESTION = {"messages": [{"role": "user", "content": "How many bytes are in one gigabyte?"}]}
ANSWER = "One gigabyte (GB) is 1,000,000,000 bytes."
LONG = {"prompt": "a", "max_tokens": 25000, "min_tokens": 25000, "stream": True}
DUMMY = ["--load_format=dummy", "--context=30000"]
STREAMS = 1000


def content(cluster, question=QUESTION):
    status, answer = ask(cluster, "POST", "/v1/chat/completions", question)
    return answer["choices"][0]["message"]["content"] if status == 200 else (status, answer)


def counters(cluster):
    return ask(cluster, "GET", "/api/status")[1]["counters"]


def idle(cluster):
    now = counters(cluster)
    return now["requests_running"] + now["requests_waiting"] + now["kv_blocks_used"] == 0


def usage_of(process):
    """Threads, descriptors and resident bytes of a program."""
    folder = pathlib.Path(f"/proc/{process.process.pid}")
    resident = int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir())), resident


class HttpTest(unittest.TestCase):
    def test_http_refuses_bad_input_and_serves_on(self):
        fields = [
            ("temperature", [1e308, -1, "1", [], True]),
            ("top_p", [0, 2, -0.0]),
            ("top_k", [-5, 2**31, 1.5]),
            ("max_tokens", [0, -1, 2**31, 2**64, "5"]),
            ("seed", [2**63, 1e30, "x"]),
            ("stop", [["x"] * 10000, [""], 5, ["x" * 2000]]),
            ("n", [0, 10**9, -1]),
            ("model", ["../../etc/passwd", "m\0", "x" * 1000000, "ⅿ"]),
            ("messages", [None, [], {}, [[]], [{}], [{"role": "x" * 100, "content": "y"}], [{"role": "user"}] * 5000]),
        ]
        bodies = [
            b"", b"{", b"null", b"\xff", b"\xef\xbb\xbf{}", b"[" * 5_000_000, b'{"messages":' + b"[" * 100_000,
            b'{"a":1e999}', b'{"a":NaN}', b'{"n":1,"n":1}', b'{"x":"\\ud800"}', b"{}" * 1000,
        ]  # fmt: skip
        with http_cluster(DEMO, 1, ["--served_model_name=m"]) as cluster:
            for field, values in fields:
                for value in values:
                    status, answer = ask(cluster, "POST", "/v1/chat/completions", {**QUESTION, field: value})
                    with self.subTest(field=field, value=str(value)[:50]):
                        self.assertIn(status, (400, 404))
                        self.assertIn("error", answer)
                        self.assertTrue(status == 404 or answer["error"]["param"].startswith(field), answer)
            for body in bodies:
                with self.subTest(body=body[:50]):
                    for path in ("/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize"):
                        self.assertEqual(ask(cluster, "POST", path, body)[0], 400)
            huge = b'{"prompt":"' + b"x" * (10 << 20) + b'"}'
            self.assertEqual(ask(cluster, "POST", "/v1/completions", huge)[0], 413)
            # As large as a body may be: the model's context is what it is too long for.
            self.assertEqual(ask(cluster, "POST", "/v1/completions", huge[:11] + huge[1000:])[0], 400)
            self.assertEqual(content(cluster), ANSWER)
            self.assertTrue(idle(cluster))

    def test_http_routes_refuse_other_methods(self):
        routes = {
            "POST": ["/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize"],
            "GET": ["/v1/models", "/health", "/livez", "/readyz", "/metrics", "/version", "/api/status"],
        }
        with http_cluster(DEMO, 1) as cluster:
            for right, paths in routes.items():
                for path in paths:
                    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
                        status = ask(cluster, method, path, b"{}" if method != "GET" else None)[0]
                        self.assertEqual(status == 405, method != right, (method, path, status))
            self.assertEqual(ask(cluster, "GET", "/nowhere")[0], 404)

    def test_http_keys_are_needed_and_read_anew(self):
        with tempfile.TemporaryDirectory() as folder:
            keys = key_file(folder)
            flags = [f"--api_key_file={keys}", "--api_key_requests_per_minute=2"]
            with http_cluster(DEMO, 1, flags) as cluster:
                key = [f"Authorization: Bearer {KEY}"]
                self.assertEqual(ask(cluster, "GET", "/v1/models")[0], 401)
                self.assertEqual(ask(cluster, "GET", "/v1/models", headers=key)[0], 200)
                self.assertEqual(ask(cluster, "GET", "/readyz")[0], 200)
                statuses = [ask(cluster, "POST", "/tokenize", {"prompt": "a"}, key)[0] for _ in range(3)]
                self.assertEqual(statuses, [200, 200, 429])
                for text, status in [("no key", 200), (keys.read_text().replace("tests:", "tests:0")[:-2] + "\n", 401)]:
                    before = cluster.coordinator.log()
                    keys.write_text(text)
                    cluster.coordinator.process.send_signal(signal.SIGHUP)
                    wait_until(lambda: cluster.coordinator.log() != before, "the file is read")
                    self.assertEqual(ask(cluster, "GET", "/v1/models", headers=key)[0], status)
                self.assertNotIn(KEY, cluster.coordinator.log())

    def test_http_holds_a_thousand_idle_streams(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 2 * STREAMS:
            self.skipTest(f"only {hard} descriptors are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (2 * STREAMS, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        flags = [*DUMMY, "--max_sequences=2", f"--max_queue={STREAMS}"]
        with long_model(tokenizer=True) as model, http_cluster(model, 1, flags) as cluster:
            self.assertEqual(ask(cluster, "GET", "/readyz")[0], 200)
            threads, descriptors, resident = usage_of(cluster.coordinator)
            with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
                for _ in range(STREAMS):
                    peer = stack.enter_context(connect(cluster))
                    peer.sendall(request_bytes("POST", "/v1/completions", LONG))
                    selector.register(peer, selectors.EVENT_READ)
                alive = set()
                while len(alive) < STREAMS:
                    for key, _ in selector.select():
                        self.assertTrue(key.fileobj.recv(1 << 16), "a stream has ended")
                        alive.add(key.fileobj)
                self.assertEqual(counters(cluster)["requests_waiting"], STREAMS - 2)
                times = []
                for _ in range(20):
                    start = time.monotonic()
                    self.assertEqual(ask(cluster, "GET", "/readyz")[0], 200)
                    times.append(time.monotonic() - start)
                    self.assertTrue(selector.select())
                held = usage_of(cluster.coordinator)
                print(
                    f"/readyz: median {1e3 * statistics.median(times):.1f} ms, longest {1e3 * max(times):.1f} ms; "
                    f"{(held[2] - resident) / STREAMS / 1024:.1f} KiB a stream"
                )
                self.assertLess(statistics.median(times), 0.1)
                self.assertEqual(held[0], threads)
            wait_until(lambda: idle(cluster), "the streams are cancelled")
            wait_until(lambda: usage_of(cluster.coordinator)[1] <= descriptors + 1, "descriptors are closed")
            after = usage_of(cluster.coordinator)
            self.assertEqual(after[0], threads)
            self.assertLess(after[2] - resident, 64 << 20)

    def test_http_stream_that_is_not_read_slows_nobody(self):
        with long_model(tokenizer=True) as model, http_cluster(model, 1, DUMMY) as cluster:
            slow = socket.socket()
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with slow:
                host, port = cluster.http.split(":")
                slow.connect((host, int(port)))
                slow.sendall(request_bytes("POST", "/v1/completions", {**LONG, "logprobs": 20}))
                wait_until(lambda: counters(cluster)["requests_running"] == 1, "it runs")
                short = {"prompt": "a", "max_tokens": 50, "min_tokens": 50}
                status, answer = ask(cluster, "POST", "/v1/completions", short)
                self.assertEqual((status, answer["usage"]["completion_tokens"]), (200, 50))
                wait_until(lambda: idle(cluster), "it is cut off")
                self.assertEqual(counters(cluster)["requests_cancelled"], 1)

    def test_http_stream_whose_worker_is_lost_ends_with_an_error_and_no_end(self):
        with long_model(tokenizer=True) as model, http_cluster(
            model, 1, [*DUMMY, "--recovery_timeout=0s"]
        ) as cluster:
            with connect(cluster) as peer, peer.makefile("rb") as stream:
                peer.sendall(request_bytes("POST", "/v1/completions", LONG))
                status, headers = read_head(stream)
                self.assertEqual((status, headers["transfer-encoding"]), (200, "chunked"))
                self.assertEqual(headers["x-accel-buffering"], "no")
                cluster.workers.pop("cpu-0").kill()
                rest = stream.read()
            error = json.loads(rest[rest.rindex(b"data: ") + 6 :].split(b"\n")[0])["error"]
            self.assertEqual(error["type"], "unavailable_error")
            self.assertIn("cpu-0", error["message"])
            self.assertNotIn(b"[DONE]", rest)
            self.assertFalse(rest.endswith(b"0\r\n\r\n"))
            self.assertEqual(ask(cluster, "POST", "/v1/completions", LONG)[0], 503)
            self.assertEqual(ask(cluster, "GET", "/readyz")[0], 503)
            self.assertEqual(ask(cluster, "GET", "/livez")[0], 200)

    def test_http_streams_are_finished_before_the_coordinator_ends(self):
        with long_model(tokenizer=True) as model, http_cluster(model, 1, [*DUMMY, "--drain=60s"]) as cluster:
            with connect(cluster) as peer, peer.makefile("rb") as stream:
                peer.sendall(request_bytes("POST", "/v1/completions", {**LONG, "max_tokens": 3000, "min_tokens": 3000}))
                read_head(stream)
                cluster.coordinator.process.terminate()
                wait_until(lambda: ask(cluster, "GET", "/readyz")[0] == 503, "it is not ready any more")
                self.assertEqual(ask(cluster, "GET", "/livez")[0], 200)
                self.assertTrue(stream.read().endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"))
            cluster.coordinator.expect_exit(0)

    def test_http_is_plain_text_and_so_on_loopback(self):
        with Cluster(DEMO, 1, wait_ready=False) as cluster:
            for flags, code, reason in [
                (["--http=0.0.0.0:0"], 2, "--insecure_allow_remote"),
                (["--http=nonsense"], 2, "--http"),
                (["--http=127.0.0.1:0", "--api_key_file=/nowhere"], 2, "--api_key_file: cannot open /nowhere"),
                (["--api_key_requests_per_minute=5"], 2, "--api_key_file"),
                (["--served_model_name=m"], 2, "--http"),
                ([f"--http={cluster.address}"], 1, "choose another --http"),
            ]:
                program = cluster.start("second", ["coordinator", f"--model={DEMO}", "--listen=127.0.0.1:0", *flags])
                program.expect_exit(code)
                self.assertIn(reason, program.log())


if __name__ == "__main__":
    unittest.main()
