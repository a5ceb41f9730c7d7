"""Runs a benchmark program of kernels; each of its lines "WHAT ... us ... TB/s ... of read" becomes a row.

NF4 is compared with bitsandbytes 0.50 on an H200, in microseconds by rows, and with it the geometric mean.
"""

import argparse
import math
import pathlib
import re
import subprocess
import sys

import rows

LINE = re.compile(r"(?P<what>.*?) +(?P<us>[0-9.]+) us +(?P<tbps>[0-9.]+) TB/s +(?P<share>[0-9.]+) of read")
NF4 = re.compile(r"nf4 +(?P<shape>[0-9]+x[0-9]+) .*M=(?P<rows>[0-9]+)")
BITSANDBYTES_US = {
    "4096x4096": {1: 11.7, 2: 16, 4: 25, 8: 30, 32: 31, 64: 29},
    "14336x4096": {1: 30.7, 2: 45, 4: 69, 8: 69, 32: 71, 64: 100},
    "4096x14336": {1: 31.3, 2: 47, 4: 77, 8: 100, 32: 101, 64: 103},
    "28672x8192": {1: 104.9, 2: 163, 4: 368, 8: 369, 32: 381, 64: 364},
}


def times_bitsandbytes(what, us):
    """How many times as fast; None for a shape that was not measured."""
    found = NF4.match(what)
    reference = found and BITSANDBYTES_US.get(found["shape"], {}).get(int(found["rows"]))
    return reference / us if reference else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device")
    parser.add_argument("--gpus")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--program", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    command = [arguments.program, *(["--quick"] if arguments.quick else [])]
    times = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        for line in program.stdout:
            print(line, end="")
            if not (found := LINE.match(line)):
                continue
            faster = times_bitsandbytes(found["what"], float(found["us"]))
            times += [faster] if faster else []
            rows.add(
                "kernels", found["what"],
                f"{found['us']} us, {found['tbps']} TB/s" + (f", {faster:.2f} x bitsandbytes" if faster else ""),
                share=found["share"],
            )  # fmt: skip
    if times:
        mean = math.exp(sum(map(math.log, times)) / len(times))
        rows.add(
            "kernels", f"nf4 against bitsandbytes, geometric mean of {len(times)}", f"{mean:.2f}", "2, then 2.5",
            note="below target" if mean < 2 else "",
        )  # fmt: skip
    return program.returncode


if __name__ == "__main__":
    sys.exit(main())
