"""What each program refuses before it starts, and with which exit code."""

import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

from cluster import BIN, DEMO, MODELS, Cluster

PROGRAMS = ("coordinator", "worker", "generate", "bench")


def run(*command):
    return subprocess.run(
        [BIN / command[0], *map(str, command[1:])], capture_output=True, text=True, timeout=60, check=False
    )


class StartupTest(unittest.TestCase):
    def check(self, result, code, *mentions):
        self.assertEqual(result.returncode, code, result.stderr)
        for text in mentions:
            self.assertIn(text, result.stderr)

    def test_help_and_version(self):
        for program in PROGRAMS:
            for flag in ("--help", "--version"):
                result = run(program, flag)
                self.assertEqual(result.returncode, 0)
                self.assertTrue(result.stdout)

    def test_unknown_flag_names_the_closest(self):
        for program, typo, right in [
            ("coordinator", "--listn=127.0.0.1:0", "--listen"),
            ("worker", "--devise=cpu", "--device"),
            ("generate", "--temprature=1", "--temperature"),
            ("bench", "--concurency=1", "--concurrency"),
        ]:
            self.check(run(program, typo), 2, typo.split("=")[0], right)

    def test_values_that_are_none(self):
        self.check(run("coordinator", f"--model={DEMO}", "--min_workers=many"), 2, "min_workers")
        self.check(run("worker", "--device=cpu", "--memory=lots"), 2, "memory")
        self.check(run("worker", "--device=tpu"), 2, "tpu")
        self.check(run("coordinator"), 2, "--model")

    def test_cuda_is_a_clear_error(self):
        self.check(run("worker", "--device=cuda:0", "--coordinator=127.0.0.1:1"), 2, "cuda:0", "cpu")

    def test_nothing_listens(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
            self.check(run("generate", f"--server={address}", "--chat=x"), 5, address)

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.check(run("coordinator", f"--model={DEMO}", f"--listen={address}"), 1, address)

    def test_plain_text_stays_on_loopback(self):
        self.check(run("coordinator", f"--model={DEMO}", "--listen=0.0.0.0:0"), 2, "0.0.0.0", "--tls_cert")

    def test_half_of_tls_is_refused(self):
        self.check(run("coordinator", f"--model={DEMO}", "--tls_cert=/dev/null"), 2, "--tls_key")

    def test_a_name_that_nobody_knows_is_wrong_usage(self):
        for command in (["coordinator"], ["planner", "--gpus=1x1GB"], ["quantize", "--load_in_8bit", "--output=/no"]):
            self.check(run(*command, "--model=nobody/knows"), 2, "nobody/knows")

    def test_checkpoints_that_are_bad(self):
        self.check(run("coordinator", "--model=/nowhere/at/all"), 4, "/nowhere/at/all")
        for name, spoil, mentions in [
            ("truncated", lambda folder: truncate(folder / "model.safetensors", 100000), ["model.safetensors"]),
            ("no header", lambda folder: truncate(folder / "model.safetensors", 7), ["model.safetensors"]),
            ("no weights", lambda folder: (folder / "model.safetensors").unlink(), ["model.safetensors"]),
            ("layers", lambda folder: edit(folder, num_hidden_layers=-1), ["num_hidden_layers", "-1"]),
            ("many layers", lambda folder: edit(folder, num_hidden_layers=10**9), ["num_hidden_layers"]),
            ("heads", lambda folder: edit(folder, num_attention_heads=0), ["num_attention_heads"]),
            ("rope", lambda folder: edit(folder, rope_theta=0), ["rope_theta"]),
            ("vocabulary", lambda folder: edit(folder, vocab_size=2**40), ["vocab_size"]),
            ("kind", lambda folder: edit(folder, model_type="mamba", architectures=["Mamba"]), ["amba"]),
            ("no JSON", lambda folder: (folder / "config.json").write_text("[" * 100000), ["config.json"]),
            ("tokenizer", lambda folder: (folder / "tokenizer.json").write_text("{}"), ["tokenizer.json"]),
        ]:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                model = pathlib.Path(folder) / "model"
                shutil.copytree(DEMO, model)
                spoil(model)
                self.check(run("coordinator", f"--model={model}", "--listen=127.0.0.1:0"), 4, *mentions)

    def test_options_of_quantisation_are_refused_by_name(self):
        for flags, mentions in [
            (["--load_in_4bit", "--load_in_8bit"], ["--load_in_4bit", "--load_in_8bit"]),
            (["--load_in_4bit", "--bnb_4bit_quant_type=int4"], ["--bnb_4bit_quant_type", "fp4 or nf4"]),
            (["--bnb_4bit_use_double_quant"], ["--bnb_4bit_use_double_quant", "--load_in_4bit"]),
            (["--load_in_4bit", "--llm_int8_outliers=batch"], ["--llm_int8_outliers", "--load_in_8bit"]),
            (["--load_in_4bit", "--llm_int8_skip_modules=q_proj"], ["llm_int8_skip_modules", "q_proj", "k_proj"]),
            (["--load_in_4bit", "--llm_int8_skip_modules=q_porj"], ["--llm_int8_skip_modules", "q_porj"]),
            (["--dtype=int8"], ["--dtype"]),
            (["--kv_cache_dtype=fp8"], ["--kv_cache_dtype"]),
            (["--offload_dtype=fp4"], ["--offload_dtype", "auto"]),
            (["--quantization_config=/nowhere.json"], ["/nowhere.json"]),
        ]:
            with self.subTest(flags=flags):
                self.check(run("coordinator", f"--model={DEMO}", "--listen=127.0.0.1:0", *flags), 2, *mentions)

    def test_a_wrong_quantization_config_is_a_bad_checkpoint(self):
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "model"
            shutil.copytree(DEMO, model)
            edit(model, quantization_config={"quant_method": "gptq", "bits": 4})
            self.check(run("coordinator", f"--model={model}", "--listen=127.0.0.1:0"), 4, "gptq")

    def test_model_without_a_tokenizer_serves_tokens(self):
        with Cluster(MODELS / "phi3") as cluster:
            self.assertEqual(len(cluster.tokens("--token_ids=1,2", "--max_new_tokens=2", "--min_new_tokens=2")), 2)
            refused = cluster.generate("--chat=Hello")
            self.assertEqual(refused.returncode, 1)
            self.assertIn("chat template", refused.stderr)

    def test_does_not_fit(self):
        with Cluster(DEMO, wait_ready=False, worker_flags=["--memory=1MB"]) as cluster:
            cluster.coordinator.expect_exit(3)
            self.assertIn("fit", cluster.coordinator.log())
            cluster.workers.popitem()[1].kill()
            cluster.coordinator.process.returncode = 0


def truncate(path, size):
    with open(path, "r+b") as file:
        file.truncate(size)


def edit(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


if __name__ == "__main__":
    unittest.main()
