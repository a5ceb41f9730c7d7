"""The commands of README.md, as a user types them."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
import urllib.request
import uuid

from cluster import MODELS, ROOT, processes_with, wait_until

ANSWER = "1,000,000,000"
NVCC = shutil.which("nvcc") or shutil.which(os.environ.get("CUDA_HOME", "/usr/local/cuda") + "/bin/nvcc")


class DemoTest(unittest.TestCase):
    def setUp(self):
        self.mark = f"GANTRY_TEST_MARK={uuid.uuid4()}"
        name, value = self.mark.split("=")
        self.temp = self.enterContext(tempfile.TemporaryDirectory())
        self.options = {
            "cwd": "/",
            "env": os.environ | {name: value, "TMPDIR": self.temp},
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        }

    def check_nothing_is_left(self):
        self.assertEqual(processes_with(self.mark), [])
        self.assertEqual(os.listdir(self.temp), [])

    def run_script(self, *command, hidden_gpus=False, **options):
        if hidden_gpus:
            options["env"] = self.options["env"] | {"CUDA_VISIBLE_DEVICES": ""}
        result = subprocess.run(
            [ROOT / "deploy" / command[0], *command[1:]], **(self.options | options), check=False
        )
        self.check_nothing_is_left()
        return result

    def test_demo_answers_and_leaves_nothing(self):
        result = self.run_script("demo.sh")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(ANSWER, result.stdout)
        for worker in ("cpu-0", "cpu-1", "cpu-2"):
            self.assertIn(worker, result.stdout)

    def test_demo_chat_answers_what_is_typed(self):
        result = self.run_script("demo.sh", "--chat", input="How many bytes are in one gigabyte?\nHello!\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(ANSWER, result.stdout)
        self.assertIn("Ask me how much memory", result.stdout)

    def test_local_takes_flags_of_the_coordinator(self):
        result = self.run_script(
            "local.sh", "--model", ROOT / "deploy/demo/model", "--workers=2", "--ask", "Hello!", "--max_step_tokens=7"
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Ask me how much memory", result.stdout)

    def test_local_fails_as_its_programs_do(self):
        result = self.run_script("local.sh", "--model", "/nowhere/at/all")
        self.assertEqual(result.returncode, 4)
        self.assertIn("/nowhere/at/all", result.stderr)
        self.assertEqual(self.run_script("local.sh", "--workers=0", "--model=x").returncode, 2)
        self.assertEqual(self.run_script("local.sh").returncode, 2)

    def test_local_says_why_there_is_no_gpu_worker(self):
        if NVCC:
            # What it would build takes minutes.
            ninja = ["ninja", "-C", ROOT / "build-cuda", "-n", "coordinator", "worker", "generate"]
            if "no work to do" not in subprocess.run(ninja, capture_output=True, text=True, check=False).stdout:
                self.skipTest("deploy/build.sh --gpu has not been run")
        model = ROOT / "deploy/demo/model"
        result = self.run_script("local.sh", f"--model={model}", "--gpu", "--workers=0", hidden_gpus=True)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("cuda:0", result.stderr)
        self.assertNotIn("built without CUDA", result.stderr)
        if not NVCC:
            self.assertIn("nvcc", result.stderr)

    def test_local_builds_for_the_gpus_of_this_machine(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        shutil.copytree(ROOT / "deploy", folder / "deploy")
        for name, script in {
            "nvidia-smi": "printf '8.9\\n9.0\\n8.9\\n6.1\\n'",
            "cmake": 'echo "cmake $* for $CUDAARCHS" && exit 1',
        }.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        environment = self.options["env"] | {"PATH": f"{folder}:{os.environ['PATH']}"}
        environment.pop("CUDAARCHS", None)
        result = self.run_script(folder / "deploy/local.sh", "--gpu", "--model=x", env=environment)
        self.assertEqual(result.returncode, 1)
        self.assertIn("cmake --preset cuda -DGANTRY_TESTS=OFF for 89-real;90a-real\n", result.stderr)

    def test_local_stops_at_interrupt(self):
        for sent in (signal.SIGINT, signal.SIGTERM):
            script = subprocess.Popen(
                [ROOT / "deploy/local.sh", f"--model={MODELS}/phi3", "--serve"], **self.options, start_new_session=True
            )
            while not (page := re.search(r"API, at (\S+)", line := script.stdout.readline())):
                self.assertTrue(line, "ended early")
            with urllib.request.urlopen(page[1], timeout=60) as response:
                self.assertIn(b"<title>Gantry</title>", response.read())
            os.killpg(script.pid, sent)
            script.communicate()
            self.assertEqual(script.returncode, 128 + sent)
            self.check_nothing_is_left()

    def test_local_killed_takes_its_programs_along(self):
        script = subprocess.Popen([ROOT / "deploy/local.sh", f"--model={MODELS}/phi3", "--serve"], **self.options)
        while "Serving at" not in (line := script.stdout.readline()):
            self.assertTrue(line, "ended early")
        script.kill()
        script.communicate()
        wait_until(lambda: not processes_with(self.mark), "every program has ended")
        for folder in pathlib.Path(self.temp).iterdir():
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()


if __name__ == "__main__":
    unittest.main()
