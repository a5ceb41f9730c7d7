"""Rows of the table of run_gpu.sh: a file of lines, each of five columns and a note, between tabs.

A row fails where the note is FAILED, and is no result where it is "skipped".
"""

import os
import re
import signal
import sys
import time

# At the end of its time a script still stops what it has started.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

COLUMNS = ("section", "what", "result", "target", "of the limit")


def seconds_left():
    return float(os.environ.get("GANTRY_DEADLINE", "inf")) - time.time()


def add(section, what, result, target="", share="", ok=True, note=""):
    """Appends to the file that run_gpu.sh names, and says so at once. A note is no failure."""
    row = [section, what, result, target, share, note if ok else "FAILED"]
    row = [" ".join(str(cell).split()) for cell in row]
    print(": ".join(cell for cell in row if cell), flush=True)
    with open(os.environ["GANTRY_ROWS"], "a") as rows:
        rows.write("\t".join(row) + "\n")
    return ok


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def brief(error):
    """The first line of an error that goes on with logs, and what the logs say of one last."""
    lines = str(error).splitlines() or [type(error).__name__]
    logged = [line for line in lines[1:] if re.search(r"\berror\b", line, re.IGNORECASE)]
    return " ".join(lines[:1] + (logged[-1:] or lines[1:2]))[:120]


def main():
    with open(os.environ["GANTRY_ROWS"]) as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    table = [(*COLUMNS, ""), *rows]
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    failed = sum(row[-1] == "FAILED" for row in rows)
    skipped = sum(row[-1] == "skipped" for row in rows)
    print(f"{len(rows) - failed - skipped} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
