"""How much memory the app takes with its starter model: the interface and the engine, after a run, and at most.

`python -m benchmarks.memory`: resident memory (VmRSS) and its peak (VmHWM) as Linux counts them, shared pages included.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from benchmarks import report
from benchmarks.processes import Memory, memory, tree
from benchmarks.terminal import Terminal

_SETTLE_S = 1.0


def measure(model: str) -> dict[str, dict[str, Memory]]:
    """Memory of both processes, by process and moment."""
    terminal = Terminal(["-m", "tui.cli", "-p", "Once upon a time", "--model", model])
    try:
        terminal.until(lambda text: "ready" in text)
        terminal.drain(_SETTLE_S)
        loaded = _both(terminal.pid)
        since = terminal.mark()
        terminal.press("\r")
        terminal.until(lambda text: "ended by" in text, since)
        terminal.drain(_SETTLE_S)
        after = _both(terminal.pid)
    finally:
        terminal.close()
    return {name: {"model ready": loaded[name], "after a run": after[name]} for name in loaded}


def _both(pid: int) -> dict[str, Memory]:
    interface, *engines = tree(pid)
    found = {"interface": memory(interface)}
    if engines:
        found["engine"] = memory(engines[0])
    return found


def main(arguments: Sequence[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--model", default="starter/gpt2")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    figures = measure(options.model)
    report.progress(f"measured in {time.perf_counter() - began:.0f} s")
    rows = [
        [name, moment, f"{taken.resident_bytes / 1e6:.0f}", f"{taken.peak_bytes / 1e6:.0f}"]
        for name, moments in figures.items()
        for moment, taken in moments.items()
    ]
    print(report.heading("benchmarks.memory", arguments, ("torch", "textual")))
    print()
    print(report.table(("process", "when", "resident MB", "peak MB"), rows))


if __name__ == "__main__":
    main(sys.argv[1:])
