"""Mutual TLS between network namespaces, and who is turned away."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from cluster import BIN, MODELS, ROOT, Program, ids, wait_until

REFERENCE = json.loads((MODELS / "llama-mha-sharded/reference.json").read_text())["cases"]
GREEDY = ["--temperature=0", "--min_new_tokens=24", "--max_new_tokens=24"]
# One host each, all on one bridge.
HOSTS = {"coordinator": "10.213.7.1", "worker-a": "10.213.7.2", "worker-b": "10.213.7.3"}
PORT = 7070


def ip(*arguments):
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def namespaces_work():
    if os.geteuid() != 0:
        return False
    name = f"gantry-probe-{os.getpid()}"
    try:
        ip("netns", "add", name)
        ip("-n", name, "link", "add", "probe0", "type", "veth", "peer", "name", "probe1")
        ip("-n", name, "link", "add", "probe2", "type", "bridge")
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    return True


@unittest.skipUnless(namespaces_work(), "network namespaces need root and a kernel with veth and bridge")
class TlsTest(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gantry-test-"))
        self.certs = self.make_certs("certs")
        # A fourth namespace is the switch.
        self.switch = self.namespace("switch")
        ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.switch, "link", "set", "bridge", "up")
        self.hosts = {}
        for name, address in HOSTS.items():
            host = self.hosts[name] = self.namespace(name)
            ip("-n", self.switch, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", host)
            ip("-n", self.switch, "link", "set", name, "master", "bridge", "up")
            ip("-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", host, "link", "set", "eth0", "up")
            ip("-n", host, "link", "set", "lo", "up")

    def make_certs(self, name):
        path = pathlib.Path(self.folder) / name
        subprocess.run(
            [ROOT / "deploy/make_certs.sh", path, *HOSTS.values()], check=True, capture_output=True, text=True
        )
        return path

    def namespace(self, name):
        full = f"gantry-{name}-{os.getpid()}"
        ip("netns", "add", full)
        self.addCleanup(ip, "netns", "del", full)
        return full

    def tls(self, role, host, certs=None):
        folder = (certs or self.certs) / HOSTS[host]
        return [f"--tls_cert={folder}/{role}.crt", f"--tls_key={folder}/{role}.key", f"--tls_ca={folder}/ca.crt"]

    def start(self, name, host, *command):
        program = Program(name, command, self.folder, ["ip", "netns", "exec", self.hosts[host]])
        self.addCleanup(lambda: program.running() and program.kill())
        return program

    def start_coordinator(self):
        return self.start(
            "coordinator", "coordinator", "coordinator", f"--model={MODELS}/llama-mha-sharded",
            f"--listen={HOSTS['coordinator']}:{PORT}", "--min_workers=2", "--device_map=balanced",
            *self.tls("coordinator", "coordinator"),
        )  # fmt: skip

    def start_worker(self, name, host, *flags):
        return self.start(
            name, host, "worker", f"--coordinator={HOSTS['coordinator']}:{PORT}", f"--name={name}", "--device=cpu",
            "--memory=1GB", "--threads=1", f"--listen={HOSTS[host]}:0", *flags,
        )  # fmt: skip

    def generate(self, *flags):
        return subprocess.run(
            ["ip", "netns", "exec", self.hosts["worker-b"], BIN / "generate",
             f"--server={HOSTS['coordinator']}:{PORT}", *flags],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def test_tls_across_namespaces_gives_the_same_tokens(self):
        coordinator = self.start_coordinator()
        for name in ("worker-a", "worker-b"):
            self.start_worker(name, name, *self.tls("worker", name))
        client = self.tls("client", "worker-b")
        ready = self.generate("--status", "--wait=60s", *client)
        self.assertEqual(ready.returncode, 0, ready.stderr + coordinator.log())
        for case in REFERENCE:
            result = self.generate(ids(case["prompt"]), *GREEDY, "--json", *client)
            self.assertEqual(result.returncode, 0, result.stderr)
            lines = [json.loads(line) for line in result.stdout.splitlines()]
            self.assertEqual([line["token_id"] for line in lines[:-1]], case["greedy"])
        self.assertNotEqual(self.generate("--status", "--insecure_allow_remote").returncode, 0)

    def test_tls_turns_others_away(self):
        coordinator = self.start_coordinator()
        wait_until(lambda: "listen" in coordinator.log().lower(), "the coordinator listens")
        others = self.make_certs("others")
        # Without a handshake the worker cannot know who refuses it, and goes on trying.
        for name, flags, goes_on in [
            ("no-certificate", ["--insecure_allow_remote"], True),
            ("other-authority", self.tls("worker", "worker-a", others), True),
            ("not-a-worker", self.tls("client", "worker-a"), False),
        ]:
            with self.subTest(name):
                before = len(coordinator.log())
                worker = self.start_worker(name, "worker-a", *flags)
                wait_until(
                    lambda: re.search("(?i)refused|denied|handshake", coordinator.log()[before:]),
                    "the coordinator logs the refusal",
                )
                self.assertNotRegex(coordinator.log(), f"worker {name} joined")
                if goes_on:
                    worker.kill()
                else:
                    worker.expect_exit(5)
                    self.assertIn("worker.gantry", worker.log())
        self.assertTrue(coordinator.running())


if __name__ == "__main__":
    unittest.main()
