"""Many streams at once: each as if it were alone, all alike, and nothing left behind."""

import json
import pathlib
import subprocess
import unittest

from cluster import BIN, DEMO, Cluster, wait_until
from requests_test import idle

STREAMS = 256


def streams(cluster, *flags):
    result = subprocess.run(
        [BIN / "streams_client", f"--server={cluster.address}", f"--streams={STREAMS}", *flags],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    return json.loads(result.stdout)


def footprint(cluster):
    """Descriptors, threads and resident KiB of the programs of a cluster."""
    total = [0, 0, 0]
    for program in [cluster.coordinator, *cluster.workers.values()]:
        proc = pathlib.Path("/proc") / str(program.process.pid)
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        total[0] += len(list((proc / "fd").iterdir()))
        total[1] += int(status["Threads"])
        total[2] += int(status["VmRSS"].split()[0])
    return total


class StreamsTest(unittest.TestCase):
    def test_256_streams_are_as_if_alone_and_leave_nothing(self):
        with Cluster(DEMO, 3) as cluster:
            first = streams(cluster)
            before = footprint(cluster)
            second = streams(cluster)
            for report in (first, second):
                self.assertEqual((report["errors"], report["different"], report["refused"]), ([], 0, 0))
                self.assertEqual(report["equal"], STREAMS)
                self.assertLessEqual(report["unfairness"], 3)
            wait_until(lambda: idle(cluster.status()), "all is freed")

            def settled():
                descriptors, threads, kib = footprint(cluster)
                return descriptors <= before[0] and threads <= before[1] + 4 and kib <= 1.1 * before[2]

            wait_until(settled, f"back to {before}")

    def test_beyond_the_queue_is_refused_with_a_time(self):
        with Cluster(DEMO, 3, ["--max_sequences=8", "--max_queue=16"]) as cluster:
            report = streams(cluster)
            self.assertEqual((report["errors"], report["different"]), ([], 0))
            self.assertGreater(report["refused"], 0)
            self.assertEqual(report["told_when"], report["refused"])
            self.assertEqual(report["equal"] + report["refused"], STREAMS)
            self.assertGreaterEqual(report["equal"], 24)
            wait_until(lambda: idle(cluster.status()), "all is freed")


if __name__ == "__main__":
    unittest.main()
