"""Tests that are Node's, with packages of npm, which are installed into the folder of the build."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import unittest

from cluster import BIN, ROOT

needs_npm = unittest.skipUnless(
    shutil.which("npm") and shutil.which("node"), "npm is missing: deploy/install_packages.sh tests"
)


def install(name):
    """Copies the cases of tests/integration/NAME to the build, for Node finds packages beside the files, and installs
    what their lock file names, once for all tests that run side by side. Returns the copy."""
    cases = ROOT / "tests/integration" / name
    folder = BIN.parent / f"{name}_test"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256((cases / "package-lock.json").read_bytes()).hexdigest()
    with open(folder / "installed", "a+") as stamp:
        fcntl.flock(stamp, fcntl.LOCK_EX)
        for file in cases.iterdir():
            shutil.copy(file, folder)
        stamp.seek(0)
        if stamp.read() != wanted:
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=240)
            stamp.truncate(0)
            stamp.write(wanted)
    return folder


def run(test, name, file, **environment):
    """Runs the cases of a file, with variables of the environment."""
    result = subprocess.run(
        ["node", "--test", install(name) / file],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    test.assertEqual(result.returncode, 0, result.stdout + result.stderr)
