"""tests/run_gpu.sh, as far as it goes without a GPU."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest
import uuid

from cluster import BIN, ROOT, processes_with, wait_until

SCRIPT = ROOT / "tests/run_gpu.sh"


class RunGpuTest(unittest.TestCase):
    def setUp(self):
        self.mark = f"GANTRY_TEST_MARK={uuid.uuid4()}"
        name, value = self.mark.split("=")
        self.output = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.temp = self.enterContext(tempfile.TemporaryDirectory())
        # Nothing of this environment but the path.
        self.options = {
            "env": {"PATH": os.environ["PATH"], "TMPDIR": self.temp, name: value},
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }

    def command(self, *flags, bundle=BIN.parent):
        return [SCRIPT, f"--bundle={bundle}", f"--output={self.output}", *flags]

    def check_nothing_is_left(self):
        self.assertEqual(processes_with(self.mark), [])
        self.assertEqual(os.listdir(self.temp), [])

    def run_script(self, *flags, environment=(), **options):
        started = self.options | {"env": self.options["env"] | dict(environment)}
        result = subprocess.run(self.command(*flags, **options), **started, check=False)
        self.check_nothing_is_left()
        return result

    def test_run_gpu_on_the_cpu_makes_one_table(self):
        result = self.run_script("--device=cpu", "--quick")
        self.assertEqual(result.returncode, 0, result.stdout + (self.output / "log").read_text())
        table = (self.output / "table").read_text()
        self.assertTrue(result.stdout.endswith(table))
        self.assertRegex(table, "e2e +float32 on cpu \\+ cpu +the reference's tokens")
        for what in ("decode, 1", "decode, 8", "decode, 32", "prefill"):
            self.assertRegex(table, f"bench +two-layers float32 {what} +[0-9.,]+ tokens/s")
        self.assertIn("\n6 passed, 0 failed\n", table)

    def test_run_gpu_goes_on_after_a_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            programs = pathlib.Path(folder) / "bin"
            programs.mkdir()
            for program in BIN.iterdir():
                (programs / program.name).symlink_to(program)
            (programs / "golden_client").unlink()
            (programs / "golden_client").symlink_to("/bin/false")
            result = self.run_script("--device=cpu", "--quick", "--only=e2e", bundle=folder)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertRegex(result.stdout, "e2e +float32 on cpu +other tokens than the reference's +FAILED")
        self.assertIn("\n0 passed, 2 failed\n", result.stdout)

    def test_run_gpu_asks_for_a_bundle_with_tests(self):
        with tempfile.TemporaryDirectory() as folder:
            programs = pathlib.Path(folder) / "bin"
            programs.mkdir()
            (programs / "worker").symlink_to(BIN / "worker")
            result = self.run_script("--only=tests", bundle=folder)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("built without nvcc or without tests", result.stdout)

    @unittest.skipIf(shutil.which("compute-sanitizer"), "compute-sanitizer is in PATH")
    def test_run_gpu_skips_the_sanitizer_where_there_is_none(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "bin").mkdir()
            (pathlib.Path(folder) / "bin/worker").symlink_to("/bin/false")
            nowhere = {"CUDA_HOME": "/nowhere"}
            unasked = self.run_script(bundle=folder, environment=nowhere)
            asked = self.run_script("--only=sanitizer", bundle=folder, environment=nowhere)
        row = "\nsanitizer +compute-sanitizer +not found in PATH or /nowhere/bin +"
        self.assertRegex(unasked.stdout, row + "skipped\n")
        self.assertRegex(unasked.stdout, "\n0 passed, [0-9]+ failed, 1 skipped\n")
        self.assertRegex(asked.stdout, row + "FAILED\n")
        self.assertIn("\n0 passed, 1 failed\n", asked.stdout)

    def test_run_gpu_refuses_what_it_does_not_know(self):
        for flag, value in {"--only": "unit", "--models": "gpt-9", "--minutes": "soon", "--device": "tpu"}.items():
            result = self.run_script(flag, value)
            self.assertEqual(result.returncode, 2, result.stdout)
            self.assertIn(f"run_gpu.sh: {flag}: ", result.stdout)
            self.assertIn(value, result.stdout)
        self.assertEqual(self.run_script("--fast").returncode, 2)

    def test_run_gpu_stopped_takes_its_programs_along(self):
        script = subprocess.Popen(self.command("--device=cpu", "--only=e2e"), **self.options)
        wait_until(lambda: any("coordinator" in one for one in processes_with(self.mark)), "a cluster is started")
        script.send_signal(signal.SIGTERM)
        script.communicate()
        self.assertEqual(script.returncode, 128 + signal.SIGTERM)
        self.check_nothing_is_left()


if __name__ == "__main__":
    unittest.main()
