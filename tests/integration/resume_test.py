"""Streams that break and go on where they stopped, in the hands of `generate`."""

import contextlib
import json
import socket
import socketserver
import threading
import unittest

from cluster import Cluster, ids, long_model, wait_until
from requests_test import DUMMY, idle

TOKENS = 1500
SAMPLED = [ids(range(5, 105)), "--temperature=2", "--seed=7", f"--min_new_tokens={TOKENS}",
           f"--max_new_tokens={TOKENS}", "--retry_for=60s"]  # fmt: skip


class Proxy(socketserver.ThreadingTCPServer):
    """A way to HOST:PORT that can be cut."""

    daemon_threads = True

    def __init__(self, target):
        super().__init__(("127.0.0.1", 0), None)
        host, port = target.rsplit(":", 1)
        self.target = (host, int(port))
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()
        self.open = True
        self.sockets = []

    def finish_request(self, request, client_address):
        with self.lock:
            if not self.open:
                return
            server = socket.create_connection(self.target)
            self.sockets += [request, server]
        back = threading.Thread(target=self.forward, args=(server, request), daemon=True)
        back.start()
        self.forward(request, server)
        back.join()
        server.close()

    @staticmethod
    def forward(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """Ends all connections; new ones are closed until mend."""
        with self.lock:
            self.open = False
            for one in self.sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self.sockets.clear()

    def mend(self):
        with self.lock:
            self.open = True


@contextlib.contextmanager
def proxy_of(cluster):
    with Proxy(cluster.address) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.cut()
            proxy.shutdown()
            thread.join()


def without_times(lines):
    return [{key: value for key, value in line.items() if not key.endswith("_s")} for line in lines]


class ResumeTest(unittest.TestCase):
    def check(self, lines, expected):
        """Each answer is the expected one; several may come in another order."""
        for i in range(2):
            self.assertEqual(
                [line for line in without_times(lines) if line["sequence_index"] == i],
                [line for line in without_times(expected) if line["sequence_index"] == i],
            )

    def test_a_cut_connection_stops_the_work_and_loses_nothing(self):
        with long_model() as model, Cluster(model, 2, DUMMY) as cluster, proxy_of(cluster) as proxy:
            expected = cluster.generate_json(*SAMPLED, "--n=2", "--top_logprobs=2")
            with cluster.streaming(*SAMPLED, "--n=2", "--top_logprobs=2", f"--server={proxy.address}") as client:
                for cuts in range(1, 4):
                    wait_until(lambda: not idle(cluster.status()), "it goes on")
                    proxy.cut()
                    wait_until(lambda: idle(cluster.status()), "what nobody hears is not computed")
                    self.assertEqual(cluster.status()["counters"]["requests_cancelled"], cuts)
                    proxy.mend()
                rest, error = client.communicate()
            self.assertEqual(client.returncode, 0, error)
            # It says so once for what breaks again before anything has come.
            self.assertGreaterEqual(error.count("asking again"), 1, error)
            self.check([json.loads(line) for line in rest.splitlines()], expected[1:])

    def test_a_lost_worker_is_ridden_through(self):
        with long_model() as model, Cluster(model, 2, [*DUMMY, "--recovery_timeout=0s"]) as cluster:
            expected = cluster.tokens(*SAMPLED)
            with cluster.streaming(*SAMPLED) as client:
                cluster.workers.pop("cpu-1").kill()
                cluster.start_worker("cpu-2")
                rest, error = client.communicate()
            self.assertEqual(client.returncode, 0, error)
            self.assertIn("cpu-1", error)
            lines = [json.loads(line) for line in rest.splitlines()]
            self.assertEqual([line["index"] for line in lines[:-1]], list(range(1, TOKENS)))
            self.assertEqual([line["token_id"] for line in lines[:-1]], expected[1:])
            self.assertEqual(lines[-1]["completion_tokens"], TOKENS)
            self.assertEqual(cluster.status()["counters"]["requests_failed"], 1)
            wait_until(lambda: idle(cluster.status()), "all is freed")

    def test_what_is_not_kept_is_said(self):
        with long_model() as model, Cluster(model, 1, [*DUMMY, "--resume_timeout=0s"]) as cluster:
            with proxy_of(cluster) as proxy:
                with cluster.streaming(*SAMPLED, f"--server={proxy.address}") as client:
                    proxy.cut()
                    proxy.mend()
                    _, error = client.communicate()
                self.assertEqual(client.returncode, 1)
                self.assertIn("NOT_FOUND: resume_from", error)
                self.assertIn("--resume_timeout", error)


if __name__ == "__main__":
    unittest.main()
