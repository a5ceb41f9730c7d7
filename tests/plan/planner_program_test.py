"""The program `planner` as a user runs it."""

import json
import os
import pathlib
import shlex
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLANNER = pathlib.Path(os.environ.get("GANTRY_BIN", ROOT / "build/bin")) / "planner"
SMALL = "meta-llama/Llama-3.1-8B"


def run(*arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "LC_", "LANG"))}
    environment["HF_HOME"] = "/nonexistent"
    return subprocess.run(
        [PLANNER, *map(str, arguments)], capture_output=True, text=True, timeout=240, env=environment
    )


def expand(device_map):
    """Of the entries "layers 3-7" the reference makes one of five."""
    expanded = {}
    for key, device in device_map.items():
        device = int(device) if device.isdigit() else device
        if not key.startswith("layers "):
            expanded[key] = device
            continue
        first, last = map(int, key[len("layers ") :].split("-"))
        expanded |= {f"model.layers.{i}": device for i in range(first, last + 1)}
    return expanded


class PlannerProgramTest(unittest.TestCase):
    def test_device_maps_are_those_of_accelerate(self):
        flags = {
            "float32": ["--dtype=float32"],
            "float16": ["--dtype=float16"],
            "int8": ["--dtype=float16", "--load_in_8bit"],
            "int4": ["--dtype=float16", "--load_in_4bit"],
        }
        reference = json.loads((ROOT / "tests/testdata/device_maps.json").read_text())
        count = 0
        for model, facts in reference.get("models", reference).items():
            for entry in facts["maps"]:
                limits = {str(i): f"{gib}GiB" for i, gib in enumerate(entry["gpus_gib"])}
                limits["cpu"] = f"{entry['cpu_gib']}GiB"
                arguments = ["--model", model, *flags[entry["dtype"]], "--memory_fraction=1"]
                arguments += ["--max_memory", json.dumps(limits), "--device_map", entry["mode"]]
                answer = run(*arguments, "--format=device_map")
                self.assertIn(answer.returncode, (0, 3), answer.stderr)
                self.assertEqual(json.loads(answer.stdout), expand(entry["device_map"]), arguments)
                count += 1
        self.assertEqual(count, 288)

    def test_wrong_hardware_is_wrong_usage_with_an_example(self):
        for gpus in ["0x24GB", "2x-1GB", "2x24", "999999999x1TB", "NaN", "2×24GB", "", "1xNaNGB@1GB/s"]:
            answer = run("--gpus", gpus)
            self.assertEqual(answer.returncode, 2, gpus)
            self.assertIn("--gpus 2x24GB", answer.stderr, gpus)
            self.assertEqual(answer.stdout, "")

    def test_wrong_flags_are_wrong_usage(self):
        for flags in [
            ["--model", SMALL],
            ["--gpus=24GB", "--format=pdf"],
            ["--gpus=24GB", "--format=svg"],
            ["--gpus=24GB", "--model", SMALL, "--context=0"],
            ["--gpus=24GB", "--model", SMALL, "--context=99999999999999999999"],
            ["--gpus=24GB", "--model", SMALL, "--batch=-1"],
            ["--gpus=24GB", "--model", SMALL, "--memory_fraction=nan"],
            ["--gpus=24GB", "--model", SMALL, "--dtype=int3"],
            ["--gpus=24GB", "--model", SMALL, "--load_in_4bit", "--load_in_8bit"],
            ["--gpus=24GB", "--model", SMALL, "--max_memory={"],
            ["--gpus=24GB", "--model", SMALL, "--device_map=everywhere"],
            ["--gpus=24GB", "--model", SMALL, "--network=fast"],
            ["--gpus=24GB", "--model", "nobody/knows-this"],
            ["--gpus=24GB", "--estimate"],
        ]:
            answer = run(*flags)
            self.assertEqual(answer.returncode, 2, (flags, answer.stderr))
            self.assertTrue(answer.stderr.startswith("planner: "), answer.stderr)

    def test_a_bad_checkpoint_is_told_from_wrong_usage(self):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "config.json"
            config.write_text('{"architectures": ["LlamaForCausalLM"]')
            self.assertEqual(run("--gpus=24GB", "--model", folder).returncode, 4)
            self.assertEqual(run("--gpus=24GB", "--model", folder + "/none").returncode, 4)
            with open(config, "wb") as file:
                file.truncate(10 << 30)
            self.assertEqual(run("--gpus=24GB", "--model", folder).returncode, 2)

    def test_what_does_not_fit_is_3_and_each_suggestion_fits(self):
        for flags in [
            ["--model", "meta-llama/Llama-3.1-70B", "--gpus", "2x24GB"],
            ["--model", SMALL, "--gpus", "8GB", "--cpus", "64GB", "--load_in_8bit"],
            ["--model", SMALL, "--gpus", "24GB", "--context", "131072"],
            ["--model", SMALL, "--gpus", "24GB", "--batch", "512"],
            ["--model", SMALL, "--gpus", "8GB", "--device_map", "auto"],
            ["--model", SMALL, "--gpus", "8GB", "--cpus", "64GB", "--load_in_8bit", "--device_map", "auto"],
        ]:
            answer = run(*flags, "--format=json")
            self.assertEqual(answer.returncode, 3, answer.stderr)
            plan = json.loads(answer.stdout)
            self.assertFalse(plan["fits"])
            self.assertTrue(plan["suggestions"], flags)
            for suggestion in plan["suggestions"]:
                program, *arguments = shlex.split(suggestion["command"])
                self.assertEqual(program, "planner")
                self.assertEqual(run(*arguments).returncode, 0, suggestion)

    def test_a_printed_device_map_is_planned_as_it_is(self):
        hardware = ["--model", SMALL, "--gpus", "2x12GB"]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "map.json"
            printed = run(*hardware, "--format=device_map", "--output", path)
            self.assertEqual((printed.returncode, printed.stdout), (0, ""))
            plan = json.loads(run(*hardware, "--format=json").stdout)
            again = json.loads(run(*hardware, "--device_map", path, "--format=json").stdout)
            self.assertEqual(again["device_map"], json.loads(path.read_text()))
            for key in ("device_map", "devices", "predicted"):
                self.assertEqual(again[key], plan[key])

    def test_svg_is_well_formed(self):
        answer = run("--model", "meta-llama/Llama-3.1-405B", "--gpus", "2x24GB", "--format=svg")
        self.assertEqual(answer.returncode, 3)
        root = xml.etree.ElementTree.fromstring(answer.stdout)
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")

    def test_a_bits_and_bytes_config_is_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "bnb.json"
            path.write_text('{"load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}')
            from_file = run("--model", SMALL, "--gpus=8GB", "--quantization_config", path, "--format=json")
        from_flags = run("--model", SMALL, "--gpus=8GB", "--load_in_4bit", "--bnb_4bit_quant_type=nf4", "--format=json")
        self.assertEqual(from_file.returncode, 0, from_file.stderr)
        self.assertEqual(json.loads(from_file.stdout), json.loads(from_flags.stdout))

    def test_hardware_first(self):
        answer = run("--gpus", "2x24GB")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("meta-llama/Llama-3.1-70B", answer.stdout)
        models = json.loads(run("--cpus", "16GB", "--format=json").stdout)["models"]
        self.assertTrue(any(model["fits"] for model in models))
        self.assertFalse(all(model["fits"] for model in models))

    def test_hardware_first_holds_models_as_asked(self):
        def models(*flags):
            answer = run("--gpus=2x24GB", "--cpus=64GB", "--format=json", *flags)
            self.assertEqual(answer.returncode, 0, answer.stderr)
            return json.loads(answer.stdout)["models"]

        plain = models()
        self.assertTrue(all(model["format"].endswith("float32") for model in models("--dtype=float32")))
        for flags in [
            ["--dtype=float32"],
            ["--kv_cache_dtype=float32"],
            ["--offload_dtype=nf4"],
            ["--llm_int8_skip_modules=q_proj,k_proj,v_proj,lm_head"],
        ]:
            self.assertNotEqual(models(*flags), plain, flags)
        self.assertIn("fp32", run("--gpus=2x24GB", "--dtype=float32").stdout)

    def test_needs_no_grpc(self):
        libraries = subprocess.run(["ldd", PLANNER], capture_output=True, text=True).stdout
        for library in ("grpc", "protobuf", "cuda"):
            self.assertNotIn(library, libraries)


if __name__ == "__main__":
    unittest.main()
