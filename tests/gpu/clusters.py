"""Whole clusters on loopback answer as transformers with bitsandbytes does: in every scheme, on one GPU, on several, and
on GPUs and CPUs together. The greedy tokens of the reference are the same in all twelve schemes; scores and bytes tell
one from another."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import rows
import schemes

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import cluster  # noqa: E402
import scores  # noqa: E402

REFERENCE = cluster.ROOT / "tests/testdata/demo/generate.json"
# Enough for the model and equal on all, so that each gets its share of the layers.
MEMORY = "--memory=4GB"
CASE_S = 90


def cases(device, gpus, quick):
    """Pairs of a scheme and the workers' devices."""
    names = schemes.QUICK if quick else schemes.FLAGS
    if device == "cpu":
        listed = [("float32", ["cpu"] * workers) for workers in ((1, 2) if quick else (1, 2, 3))]
        return listed if quick else listed + [(name, ["cpu", "cpu"]) for name in names if name != "float32"]
    listed = [(name, ["cuda:0"]) for name in names]
    listed += [(name, ["cuda:0", "cuda:0"]) for name in schemes.QUICK]
    listed += [(name, ["cuda:0", "cpu"]) for name in names]
    listed += [(name, ["cpu", "cuda:0", "cpu"]) for name in ("bfloat16", "int8", "nf4-bf16")]
    for count in (2, 4):
        if gpus >= count:
            listed += [(name, [f"cuda:{i}" for i in range(count)]) for name in schemes.QUICK]
    return listed


def spread(devices, folder):
    """A device map that gives each worker, which is named as cluster.Cluster does, as many layers as the others."""
    layers = json.loads((cluster.DEMO / "config.json").read_text())["num_hidden_layers"]
    names = [f"{device.split(':')[0]}-{i}" for i, device in enumerate(devices)]
    placed = {f"model.layers.{layer}": names[layer * len(names) // layers] for layer in range(layers)}
    placed |= {"model.embed_tokens": names[0], "model.norm": names[-1], "lm_head": names[-1]}
    file = pathlib.Path(folder) / "device_map.json"
    file.write_text(json.dumps(placed))
    return file


def check(name, devices, folder):
    """Returns what is wrong, or nothing."""
    flags = list(schemes.FLAGS[name])
    mixed = len(set(devices)) > 1
    quantised = any(flag.startswith("--load_in") for flag in flags)
    if mixed:
        # Where GPUs have room the planner leaves CPUs out.
        flags.append(f"--device_map={spread(devices, folder)}")
    if mixed and "cpu" in devices and quantised:
        flags.append("--llm_int8_enable_fp32_cpu_offload")
    elif "cpu" in devices and not mixed:
        flags.append("--offload_dtype=auto")
    with cluster.Cluster(cluster.DEMO, coordinator_flags=flags, worker_flags=[MEMORY], devices=devices) as running:
        client = subprocess.run(
            [cluster.BIN / "golden_client", f"--server={running.address}", f"--cases={REFERENCE}", "--max_new_tokens=48"],
            capture_output=True, text=True, check=False, timeout=CASE_S,
        )  # fmt: skip
        if client.returncode != 0:
            print(client.stdout + client.stderr)
            return "other tokens than the reference's"
        status = running.status()
        idle = [worker["name"] for worker in status["workers"] if not worker["modules"]]
        if idle:
            return f"no layers on {', '.join(idle)}"
        # Stages and workers are in the order of the layers; a worker's name tells its device.
        wrong = [
            f"{stage['worker']} holds {stage['scheme']}"
            for stage in status["stages"]
            if (stage["worker"].startswith("cuda") or not mixed) and stage["scheme"] != schemes.of_stage(name)
        ]
        wrong += [
            f"{worker['name']} takes {worker['measured_bytes']} bytes, predicted {worker['predicted_bytes']}"
            for worker in status["workers"]
            if worker["measured_bytes"] > worker["predicted_bytes"]
        ]
        # Of which CPUs compute a part in fp32 there is no reference.
        if not (mixed and quantised):
            distance = scores.distance(running, name)
            print(f"{name}: {distance:.2g} from the reference's scores")
            if distance > scores.LIMIT:
                wrong.append(f"{distance:.2g} from the reference's scores, expected {scores.LIMIT} or less")
        return ", ".join(wrong)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    cluster.PATIENCE_S = CASE_S
    for name, devices in cases(arguments.device, arguments.gpus, arguments.quick):
        what = f"{name} on {' + '.join(devices)}"
        if rows.seconds_left() < 5:
            rows.add("e2e", what, "not run: no time left", ok=False)
            continue
        try:
            with tempfile.TemporaryDirectory() as folder:
                wrong = check(name, devices, folder)
        except (cluster.Failed, OSError, subprocess.TimeoutExpired) as error:
            print(error)
            wrong = rows.brief(error)
        rows.add("e2e", what, wrong or "the reference's tokens", ok=not wrong)


if __name__ == "__main__":
    main()
