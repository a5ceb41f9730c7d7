"""The program `quantize` as a user runs it."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUANTIZE = pathlib.Path(os.environ.get("GANTRY_BIN", ROOT / "build/bin")) / "quantize"
MODEL = ROOT / "tests/testdata/models/llama-tied"
QUANTISED = ROOT / "tests/testdata/prequantized/cut/int8"


class QuantizeProgramTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.output = self.folder / "out"

    def run_quantize(self, *arguments, model=MODEL):
        return subprocess.run(
            [QUANTIZE, f"--model={model}", f"--output={self.output}", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=240,
            env={**os.environ, "HF_HOME": "/nonexistent"},
        )

    def test_quantize_writes_a_model(self):
        done = self.run_quantize(
            "--load_in_4bit",
            "--bnb_4bit_quant_type=nf4",
            "--bnb_4bit_use_double_quant",
            "--bnb_4bit_quant_storage=bfloat16",
            "--bnb_4bit_compute_dtype=bfloat16",
            "--llm_int8_skip_modules=down_proj,lm_head",
            "--dtype=bfloat16",
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertIn("out: 24 weights quantised, the rest bfloat16", done.stdout)
        config = json.loads((self.output / "config.json").read_text())
        expected = json.loads((ROOT / "tests/testdata/prequantized/nf4-dq-bf16/config.json").read_text())
        expected = expected["quantization_config"]
        expected |= {"bnb_4bit_quant_storage": "bfloat16", "llm_int8_skip_modules": ["down_proj", "lm_head"]}
        self.assertEqual(config["quantization_config"], expected)
        again = self.run_quantize("--load_in_8bit")
        self.assertEqual(again.returncode, 2)
        self.assertIn("not an empty folder", again.stderr)

    def test_quantize_refuses_odd_flags(self):
        for arguments, culprit in [
            ([], "give one of --load_in_4bit and --load_in_8bit"),
            (["--load_in_4bit", "--load_in_8bit"], "give one of"),
            (["--load_in_4bit", "--bnb_4bit_quant_type=nf5"], "--bnb_4bit_quant_type: expected fp4 or nf4"),
            (["--load_in_4bit", "--bnb_4bit_quant_storage=int64"], "--bnb_4bit_quant_storage"),
            (["--load_in_4bit", "--bnb_4bit_compute_dtype=int8"], "--bnb_4bit_compute_dtype"),
            (["--load_in_8bit", "--bnb_4bit_quant_type=nf4"], "--bnb_4bit_quant_type: has no meaning"),
            (["--load_in_8bit", "--bnb_4bit_use_double_quant"], "--bnb_4bit_use_double_quant"),
            (["--load_in_8bit", "--llm_int8_has_fp16_weight"], "--llm_int8_has_fp16_weight"),
            (["--load_in_8bit", "--llm_int8_threshold=-1"], "--llm_int8_threshold"),
            (["--load_in_8bit", "--llm_int8_skip_modules=lm_head,up_porj"], 'no module is named "up_porj"'),
            (["--load_in_8bit", "--dtype=int8"], "--dtype"),
            (["--load_in_8bit", "--max_shard_size=0"], "--max_shard_size"),
            (["--load_in_8bit", "--threads=-1"], "--threads"),
            (["--load_in_8bit", "--nosuch"], "nosuch"),
            (["--load_in_8bit", "extra"], 'unexpected argument "extra"'),
            (["--load_in_8bit", "--output="], "--output: expected a folder"),
        ]:
            done = self.run_quantize(*arguments)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn(culprit, done.stderr)
            self.assertEqual(list(self.folder.iterdir()), [], arguments)

    def test_quantize_tells_bad_models_from_bad_names(self):
        for model, code, culprit in [
            (QUANTISED, 4, "quantised already"),
            (self.folder / "none", 4, "none"),
            ("no/such-model", 2, "no/such-model"),
        ]:
            done = self.run_quantize("--load_in_8bit", model=model)
            self.assertEqual(done.returncode, code, done)
            self.assertIn(culprit, done.stderr)
            self.assertEqual(list(self.folder.iterdir()), [])

    def test_quantize_leaves_nothing_of_a_broken_model(self):
        broken = self.folder / "broken"
        shutil.copytree(MODEL, broken)
        with open(broken / "model.safetensors", "r+b") as file:
            file.truncate(2000000)
        done = self.run_quantize("--load_in_8bit", model=broken)
        self.assertEqual(done.returncode, 4, done)
        self.assertIn("model.safetensors", done.stderr)
        self.assertEqual(list(self.folder.iterdir()), [broken])


if __name__ == "__main__":
    unittest.main()
