"""The page at / of a live coordinator, in a real Chromium."""

import hashlib
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from cluster import BIN, DEMO, ROOT, Cluster

KEY = "a-key-of-this-test"
SKIPPED = 77  # of tests/page/run.sh


class PageTest(unittest.TestCase):
    def test_page_of_a_live_cluster(self):
        with tempfile.TemporaryDirectory() as folder:
            keys = pathlib.Path(folder) / "keys"
            keys.write_text(f"tester:{hashlib.sha256(KEY.encode()).hexdigest()}\n")
            flags = ["--http=127.0.0.1:0", f"--api_key_file={keys}"]
            with Cluster(DEMO, workers=3, coordinator_flags=flags) as cluster:
                url = re.search(r"http://\S+", cluster.coordinator.log())[0]
                result = subprocess.run(
                    [ROOT / "tests/page/run.sh", BIN.parent / "tests/page", "live_test.mjs"],
                    env=os.environ | {"GANTRY_PAGE_URL": url, "GANTRY_PAGE_KEY": KEY},
                    capture_output=True,
                    text=True,
                    check=False,
                )
        if result.returncode == SKIPPED:
            self.skipTest(result.stdout)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
