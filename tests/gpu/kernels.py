"""Runs a benchmark program of kernels; its own names, and bytes against what the device can read, become rows."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device")
    parser.add_argument("--gpus")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--program", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "json")
        code = subprocess.run(
            [arguments.program, f"--benchmark_min_time={0.05 if arguments.quick else 0.3}",
             f"--benchmark_out={output}", "--benchmark_out_format=json"], check=False,
        ).returncode  # fmt: skip
        if code != 0:
            return code
        with open(output) as file:
            benchmarks = json.load(file)["benchmarks"]
    read = max((one["bytes_per_second"] for one in benchmarks if "ReadBandwidth" in one["name"]), default=0)
    for one in benchmarks:
        error = one.get("error_message")
        rate = one.get("bytes_per_second", 0)
        rows.add(
            "bench", one["name"],
            error or f"{rows.number(one['real_time'])} {one['time_unit']}" + (f", {rate / 1e9:,.0f} GB/s" if rate else ""),
            share=f"{rate / read:.2f}" if read and rate else "", ok=not error,
        )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
