"""Starts a coordinator and workers on free ports of this machine, and stops every one of them."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("GANTRY_BIN", ROOT / "build/bin"))
MODELS = ROOT / "tests/testdata/models"
DEMO = ROOT / "deploy/demo/model"
PATIENCE_S = 60


class Failed(Exception):
    """A program did not do what the cluster needs; says what it logged."""


def wait_until(condition, what):
    """Polls: what is waited for is another process's doing, which gives no other sign."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise Failed(f"{what}: not within {PATIENCE_S} s")


def processes_with(mark):
    """Programs whose environment has the mark; zombies have none."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found


class Program:
    """A running program; its output goes to a file."""

    def __init__(self, name, command, folder, prefix=()):
        self.name = name
        self.log_path = pathlib.Path(folder) / f"{name}.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*prefix, BIN / command[0], *command[1:]], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def log(self):
        return self.log_path.read_text(errors="replace")

    def running(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Asks it to end; returns its exit code."""
        if self.running():
            self.process.terminate()
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} did not end at SIGTERM:\n{self.log()}")

    def expect_exit(self, code):
        """Waits until it ends by itself, with this code."""
        try:
            found = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} did not end:\n{self.log()}")
        if found != code:
            raise Failed(f"{self.name} ended with {found}, expected {code}:\n{self.log()}")


class Cluster:
    """with Cluster(model, workers=2) as cluster: is ready when the block begins.

    At its end every program is stopped, and has to end well; those that a test has killed it takes out of `workers`.
    """

    def __init__(self, model, workers=1, coordinator_flags=(), worker_flags=(), wait_ready=True, devices=()):
        """`devices`, such as ("cuda:0", "cpu"), has one for each worker; without it all are CPUs."""
        self.model = model
        self.devices = devices or ["cpu"] * workers
        self.coordinator_flags = list(map(str, coordinator_flags))
        self.worker_flags = list(map(str, worker_flags))
        self.wait_ready = wait_ready
        self.workers = {}

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gantry-test-"))
            stack.callback(self._kill_all)
            self.coordinator = self.start(
                "coordinator",
                ["coordinator", "--model", str(self.model), "--listen=127.0.0.1:0",
                 f"--min_workers={len(self.devices)}", "--device_map=balanced", *self.coordinator_flags],
            )  # fmt: skip
            self.address = wait_until(self._listening_address, "the coordinator listens")
            for i, device in enumerate(self.devices):
                self.start_worker(f"{device.split(':')[0]}-{i}", [f"--device={device}"])
            if self.wait_ready:
                self.wait_until_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind, value, traceback):
        with self._stack:
            if kind is not None:
                for program in [self.coordinator, *self.workers.values()]:
                    print(f"--- {program.name}\n{program.log()}")
                return
            for program in [*self.workers.values(), self.coordinator]:
                code = program.stop()
                if code not in (0, 128 + signal.SIGTERM):
                    raise Failed(f"{program.name} ended with {code}:\n{program.log()}")

    def _listening_address(self):
        ended = not self.coordinator.running()
        found = re.search(r'listening on ([\w.:/-]+)["\n]', self.coordinator.log())
        if ended:
            raise Failed(f"the coordinator ended:\n{self.coordinator.log()}")
        return found and found[1]

    def _kill_all(self):
        for program in [*self.workers.values(), getattr(self, "coordinator", None)]:
            if program is not None and program.running():
                program.kill()

    def start(self, name, command):
        return Program(name, command, self.folder)

    def start_worker(self, name, flags=()):
        worker = self.start(
            name,
            ["worker", f"--coordinator={self.address}", f"--name={name}", "--device=cpu", "--memory=1GB", "--threads=1",
             "--listen=127.0.0.1:0", *self.worker_flags, *flags],
        )  # fmt: skip
        self.workers[name] = worker
        return worker

    def wait_until_ready(self):
        programs = [self.coordinator, *self.workers.values()]
        deadline = time.monotonic() + PATIENCE_S
        while (result := self.generate("--status", "--wait=1s")).returncode != 0:
            if time.monotonic() > deadline or not all(program.running() for program in programs):
                logs = "".join(f"--- {program.name}\n{program.log()}" for program in programs)
                raise Failed(f"the cluster is not ready: {result.stderr}\n{logs}")

    def command(self, *flags):
        return [BIN / "generate", f"--server={self.address}", *map(str, flags)]

    def generate(self, *flags, **options):
        """Runs the client to its end."""
        return subprocess.run(
            self.command(*flags), capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False, **options
        )

    def generate_json(self, *flags):
        """The lines of --json; raises when the client fails."""
        result = self.generate(*flags, "--json")
        if result.returncode != 0:
            raise Failed(f"generate {flags}: {result.returncode}: {result.stderr}")
        return [json.loads(line) for line in result.stdout.splitlines()]

    def tokens(self, *flags):
        return [line["token_id"] for line in self.generate_json(*flags) if "token_id" in line]

    def status(self):
        return json.loads(self.generate("--status", "--json").stdout)

    @contextlib.contextmanager
    def streaming(self, *flags):
        """A client that has received its first token."""
        client = subprocess.Popen(
            self.command(*flags, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            # Not by readline, which takes more than a line, and communicate() would not have it.
            while (byte := os.read(client.stdout.fileno(), 1)) != b"\n":
                if not byte:
                    raise Failed(f"no token: {client.communicate()[1]}")
            yield client
        finally:
            client.kill()
            client.communicate()


def ids(numbers):
    return "--token_ids=" + ",".join(map(str, numbers))


@contextlib.contextmanager
def long_model(tokenizer=False):
    """A model without weights whose answers last for as long as a test needs."""
    with tempfile.TemporaryDirectory() as folder:
        config = json.loads((DEMO / "config.json").read_text())
        config["max_position_embeddings"] = 30000
        (pathlib.Path(folder) / "config.json").write_text(json.dumps(config))
        if tokenizer:
            for file in DEMO.glob("*token*"):
                (pathlib.Path(folder) / file.name).symlink_to(file)
        yield folder
