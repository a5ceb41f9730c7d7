"""Quantised layers on CPU workers: the demo model answers in every scheme as transformers does with bitsandbytes."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from cluster import BIN, DEMO, ROOT, Cluster, ids

# The greedy tokens of the demo model are the same in all of transformers' runs: float32, float16, bfloat16, int8 with
# threshold 6 and 0, nf4 and fp4 with and without double quantisation, with each type of products.
CASES = ROOT / "tests/testdata/demo/generate.json"

NF4 = ["--load_in_4bit", "--bnb_4bit_quant_type=nf4"]
FP4 = ["--load_in_4bit", "--bnb_4bit_quant_type=fp4"]
FLOAT32_PRODUCTS = ["--bnb_4bit_compute_dtype=float32", "--dtype=float32"]


class SchemesTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def check(self, scheme, flags, workers=2):
        with self.subTest(flags=flags):
            with Cluster(DEMO, workers, flags) as cluster:
                self.assertEqual([stage["scheme"] for stage in cluster.status()["stages"]], [scheme] * workers)
                self.check_tokens(cluster)

    def check_tokens(self, cluster):
        result = subprocess.run(
            [BIN / "golden_client", f"--server={cluster.address}", f"--cases={CASES}", "--max_new_tokens=48"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        for worker in cluster.status()["workers"]:
            self.assertLessEqual(worker["measured_bytes"], worker["predicted_bytes"])

    def test_schemes_nf4(self):
        for flags in [
            ["--dtype=bfloat16"],
            ["--bnb_4bit_use_double_quant", "--dtype=bfloat16"],
            ["--bnb_4bit_compute_dtype=float16", "--dtype=float16"],
            FLOAT32_PRODUCTS,
            [*FLOAT32_PRODUCTS, "--bnb_4bit_use_double_quant"],
        ]:
            self.check("nf4", [*NF4, *flags, "--offload_dtype=auto"])

    def test_schemes_fp4(self):
        for flags in [FLOAT32_PRODUCTS, ["--bnb_4bit_use_double_quant", "--dtype=bfloat16"]]:
            self.check("fp4", [*FP4, *flags, "--offload_dtype=auto"])

    def test_schemes_int8(self):
        for flags in [
            [],
            ["--llm_int8_threshold=0"],
            ["--llm_int8_outliers=batch"],
            ["--llm_int8_has_fp16_weight"],
        ]:
            self.check("int8", ["--load_in_8bit", "--dtype=float16", *flags, "--offload_dtype=auto"])

    def test_schemes_16_bits(self):
        for dtype, scheme in [("float16", "fp16"), ("bfloat16", "bf16")]:
            self.check(scheme, [f"--dtype={dtype}", "--offload_dtype=auto"])

    def test_schemes_that_cpus_are_asked_for(self):
        for offload, scheme in [("bfloat16", "bf16"), ("int8", "int8"), ("nf4", "nf4"), ("float32", "fp32")]:
            self.check(scheme, [f"--offload_dtype={offload}"])
        # What llm_int8_enable_fp32_cpu_offload promises.
        self.check("fp32", [*NF4, "--llm_int8_enable_fp32_cpu_offload"])

    def test_schemes_in_one_pipeline(self):
        layers = json.loads((DEMO / "config.json").read_text())["num_hidden_layers"]
        half = layers // 2
        skipped = ",".join(["lm_head", *(f"model.layers.{i}" for i in range(half))])
        flags = [*NF4, "--dtype=bfloat16", f"--llm_int8_skip_modules={skipped}", "--offload_dtype=auto"]
        with Cluster(DEMO, 2, [*flags, "--device_map", self.write_map(half, layers)]) as cluster:
            self.assertEqual([stage["scheme"] for stage in cluster.status()["stages"]], ["bf16", "nf4"])
            self.check_tokens(cluster)

    def write_map(self, half, layers):
        devices = {"model.embed_tokens": "cpu-0", "model.norm": "cpu-1", "lm_head": "cpu-1"}
        devices |= {f"model.layers.{i}": "cpu-0" if i < half else "cpu-1" for i in range(layers)}
        path = self.folder / "map.json"
        path.write_text(json.dumps(devices))
        return path

    def test_schemes_change_what_is_computed(self):
        def score(flags):
            with Cluster(DEMO, 1, flags) as cluster:
                case = json.loads(CASES.read_text())["cases"][0]
                (line,) = cluster.generate_json(ids(case["prompt"]), "--score")
                return [logprob for logprob in line["logprobs"] if logprob is not None]

        exact = score([])
        for flags in [[*NF4, "--offload_dtype=auto"], ["--load_in_8bit", "--offload_dtype=auto"]]:
            quantised = score(flags)
            differences = [abs(a - b) for a, b in zip(exact, quantised)]
            self.assertGreater(max(differences), 1e-4, flags)
            self.assertLess(max(differences), 3, flags)


if __name__ == "__main__":
    unittest.main()
