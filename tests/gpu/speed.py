"""Measures a coordinator and one worker with dummy weights by `bench`; prints it beside the targets and the limits."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import models
import rows
import schemes

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import cluster  # noqa: E402

FOLDER = cluster.ROOT / "tests/bench/models"
PREFILL = 2048
START_S = 300
BENCH_S = 240


def bench(running, *flags):
    """The levels that it measured, by concurrency."""
    result = subprocess.run(
        [cluster.BIN / "bench", f"--server={running.address}", "--json", *flags],
        capture_output=True, text=True, check=False, timeout=max(1, min(BENCH_S, rows.seconds_left())),
    )  # fmt: skip
    if result.returncode != 0:
        raise cluster.Failed(f"bench ended with {result.returncode}: {result.stderr}")
    print(result.stdout)
    return {level["concurrency"]: level for level in json.loads(result.stdout)["levels"]}


class Run:
    """One model in one scheme on one or more devices."""

    def __init__(self, model, scheme, devices, quick):
        self.model, self.scheme, self.devices, self.quick = model, scheme, devices, quick
        self.name = f"{model} {scheme}" + (f" on {len(devices)} GPUs" if len(devices) > 1 else "")

    def add(self, what, value, limit):
        targets = models.TARGETS.get((self.model, self.scheme, what), ()) if len(self.devices) == 1 else ()
        rows.add(
            "bench", f"{self.name} {what}", f"{rows.number(value)} tokens/s", ", then ".join(map(rows.number, targets)),
            f"{value / limit:.2f}" if limit else "", note="below target" if targets and value < targets[0] else "",
        )  # fmt: skip
        return value

    def measure(self):
        """Adds rows; returns what they say of one stream by its name."""
        with open(FOLDER / self.model / "config.json") as file:
            context = min(json.load(file)["max_position_embeddings"], PREFILL + 256)
        flags = [
            *schemes.FLAGS[self.scheme], "--load_format=dummy", f"--context={context}", "--batch=32",
            f"--max_step_tokens={PREFILL // len(self.devices)}",
        ]  # fmt: skip
        cluster.PATIENCE_S = max(1, min(START_S, rows.seconds_left()))
        with cluster.Cluster(
            FOLDER / self.model, coordinator_flags=flags, worker_flags=["--memory=", "--threads=0"], devices=self.devices
        ) as running:
            bytes_per_s = min(worker["read_bytes_per_s"] for worker in running.status()["workers"])
            new_tokens, requests = (32, 8) if self.quick else (128, 0)
            levels = bench(
                running, "--prompt_tokens=16", f"--max_new_tokens={new_tokens}", "--concurrency=1,8,32",
                f"--requests={requests}",
            )  # fmt: skip
            found = {}
            for streams, level in levels.items():
                what = f"decode, {streams}"
                limit = models.decode_limit(self.model, self.scheme, streams, bytes_per_s)
                found[what] = self.add(what, streams * level["stream_tokens_per_s"]["p50"], limit)
            prompt = min(PREFILL, context - 1)
            level = bench(running, f"--prompt_tokens={prompt}", "--max_new_tokens=1", "--concurrency=1", "--requests=5")[1]
            limit = models.prefill_limit(self.model, self.devices)
            found["prefill"] = self.add("prefill", level["prefill_tokens_per_s"], limit)
            return found

    def try_measure(self):
        """As measure, and nothing when it fails."""
        if rows.seconds_left() < 10:
            rows.add("bench", self.name, "not run: no time left", ok=False)
            return None
        try:
            return self.measure()
        except (cluster.Failed, OSError, subprocess.TimeoutExpired) as error:
            print(error)
            rows.add("bench", self.name, rows.brief(error), ok=False)
            return None


class Mixed:
    """A GPU in nf4 and a CPU beside it that holds the last layers, in fp32 or as the GPU would."""

    ON_CPU = 4

    def __init__(self, model, offload):
        self.model, self.offload = model, offload
        self.name = f"{model} nf4-bf16, {self.ON_CPU} layers on the CPU in {offload}"

    def place(self, folder):
        with open(FOLDER / self.model / "config.json") as file:
            layers = json.load(file)["num_hidden_layers"]
        first = layers - self.ON_CPU
        placed = {f"model.layers.{layer}": "cuda-0" if layer < first else "cpu-1" for layer in range(layers)}
        placed |= {"model.embed_tokens": "cuda-0", "model.norm": "cpu-1", "lm_head": "cpu-1"}
        file = pathlib.Path(folder) / "device_map.json"
        file.write_text(json.dumps(placed))
        return file

    def measure(self):
        cluster.PATIENCE_S = max(1, min(START_S, rows.seconds_left()))
        with tempfile.TemporaryDirectory() as folder:
            flags = [
                *schemes.FLAGS["nf4-bf16"], "--load_format=dummy", "--context=1024", "--batch=8",
                f"--device_map={self.place(folder)}", "--llm_int8_enable_fp32_cpu_offload",
                f"--offload_dtype={self.offload}",
            ]  # fmt: skip
            with cluster.Cluster(
                FOLDER / self.model, coordinator_flags=flags, worker_flags=["--memory=", "--threads=0"],
                devices=["cuda:0", "cpu"],
            ) as running:
                levels = bench(running, "--prompt_tokens=16", "--max_new_tokens=64", "--concurrency=1,8")
                status = running.status()
        for streams, level in levels.items():
            speed = streams * level["stream_tokens_per_s"]["p50"]
            rows.add("bench", f"{self.name} decode, {streams}", f"{rows.number(speed)} tokens/s")
        for stage in status["stages"]:
            rows.add(
                "bench", f"{self.name}: {stage['worker']}",
                f"{stage['measured_bytes'] / 1e9:.2f} GB, {stage['predicted_bytes'] / 1e9:.2f} predicted; "
                f"{rows.number(stage['predicted_tokens_per_s'])} tokens/s predicted",
                ok=stage["measured_bytes"] <= stage["predicted_bytes"],
            )  # fmt: skip

    def try_measure(self):
        if rows.seconds_left() < 10:
            return rows.add("bench", self.name, "not run: no time left", ok=False)
        try:
            return self.measure()
        except (cluster.Failed, OSError, subprocess.TimeoutExpired) as error:
            print(error)
            return rows.add("bench", self.name, rows.brief(error), ok=False)


def compare(model, measured):
    """What the outliers of LLM.int8() cost."""
    with_outliers, without = measured.get("int8"), measured.get("int8-threshold0")
    if not with_outliers or not without:
        return
    for what in ("decode, 1", "prefill"):
        share = with_outliers[what] / without[what]
        rows.add(
            "bench", f"{model} int8 {what}, over threshold 0", f"{share:.2f}", "0.8",
            note="below target" if share < 0.8 else "",
        )  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--models", default="", help="a,b; all that the device is measured with if empty")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    runs = models.RUNS[arguments.device]
    device = "cuda:0" if arguments.device == "cuda" else "cpu"
    for model in arguments.models.split(",") if arguments.models else runs:
        names = runs.get(model, models.DEFAULT[arguments.device])
        names = names[:1] if arguments.quick else names
        compare(model, {name: Run(model, name, [device], arguments.quick).try_measure() for name in names})
        for count in (2, 4):
            if model == models.SPLIT and count <= arguments.gpus:
                Run(model, names[0], [f"cuda:{i}" for i in range(count)], arguments.quick).try_measure()
        if model == models.SPLIT and arguments.device == "cuda":
            for offload in ("float32", "auto"):
                Mixed(model, offload).try_measure()


if __name__ == "__main__":
    main()
