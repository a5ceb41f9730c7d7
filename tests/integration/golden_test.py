"""Greedy tokens are transformers' own, whatever the number of workers, the chunks of prefill and the company."""

import subprocess
import unittest

from cluster import BIN, DEMO, MODELS, ROOT, Cluster


class GoldenTest(unittest.TestCase):
    def check(self, model, cases, *flags):
        for workers in (1, 2, 3):
            for chunk in (1, 7, 64):
                with self.subTest(workers=workers, chunk=chunk):
                    with Cluster(model, workers, [f"--max_step_tokens={chunk}"]) as cluster:
                        result = subprocess.run(
                            [BIN / "golden_client", f"--server={cluster.address}", f"--cases={cases}", *flags],
                            capture_output=True, text=True, check=False,
                        )  # fmt: skip
                        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
                        holding = [worker for worker in cluster.status()["workers"] if worker["modules"]]
                        self.assertEqual(len(holding), workers)

    def check_model(self, name):
        # The reference masked the end token.
        self.check(MODELS / name, MODELS / name / "reference.json", "--max_new_tokens=24", "--min_new_tokens=24")

    def test_golden_demo(self):
        self.check(DEMO, ROOT / "tests/testdata/demo/generate.json", "--max_new_tokens=48")

    def test_golden_llama_tied(self):
        self.check_model("llama-tied")

    def test_golden_llama_mha_sharded(self):
        self.check_model("llama-mha-sharded")

    def test_golden_mistral_window(self):
        self.check_model("mistral-window")

    def test_golden_phi3(self):
        self.check_model("phi3")

    def test_golden_qwen2_bias(self):
        self.check_model("qwen2-bias")


if __name__ == "__main__":
    unittest.main()
