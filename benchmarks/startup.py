"""How long until there is something to see: whole processes, with warm files, in turns.

`python -m benchmarks.startup`: from the start of the process to the first painted frame of the app, and to the first
token on stdout of `nlp-tui generate`, with the starter and with a full-size GPT-2; the same through transformers' Auto
classes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks import machine, report
from benchmarks.models import add_work_option, built
from benchmarks.terminal import Terminal

_PROMPT = "Once upon a time"

Timer = Callable[[], float]


def first_frame_s() -> float:
    """Process start to the painted main screen."""
    terminal = Terminal(["-m", "tui.cli"])
    try:
        return terminal.until(lambda text: "Conversation" in text) - terminal.began
    finally:
        terminal.close()


def ready_s() -> float:
    """Process start to the starter model loaded in the app."""
    terminal = Terminal(["-m", "tui.cli"])
    try:
        return terminal.until(lambda text: "ready" in text) - terminal.began
    finally:
        terminal.close()


def first_token_s(arguments: Sequence[str], is_token: Callable[[bytes], object]) -> float:
    """Process start to the first line that is a token.

    Args:
        arguments: of this interpreter.
        is_token: tells which line it is.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ}
    )
    assert process.stdout is not None
    arrived = next((time.perf_counter() for line in process.stdout if is_token(line)), None)
    process.stdout.close()
    process.wait()
    if arrived is None:
        raise RuntimeError(f"{' '.join(arguments)} wrote no token")
    return arrived - began


def _generate(model: str) -> Timer:
    command = ["-m", "tui.cli", "generate", _PROMPT, "--json", "--max-new-tokens", "1", "--model", model]
    return lambda: first_token_s(command, lambda line: b'"type":"token"' in line)


def _auto_classes(model: Path) -> Timer:
    command = ["-m", "benchmarks.ways.auto_classes", str(model), _PROMPT]
    return lambda: first_token_s(command, bool)


def timers(work: Path) -> dict[str, Timer]:
    """What is timed, by its name in the table."""
    model = built(work, "gpt2")
    return {
        "app: first frame": first_frame_s,
        "app: starter/gpt2 ready": ready_s,
        "`generate`, starter/gpt2: first token": _generate("starter/gpt2"),
        "`generate`, GPT-2 124 M: first token": _generate(str(model)),
        "transformers Auto classes, GPT-2 124 M: first token": _auto_classes(model),
    }


def main(arguments: Sequence[str]) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    add_work_option(parser)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    to_time = timers(options.work)
    times: dict[str, list[float]] = {name: [] for name in to_time}
    shaken: set[str] = set()
    for name, timer in to_time.items():
        report.progress(f"warming up: {name}")
        timer()
    for _ in range(options.repeats):
        for name, timer in to_time.items():
            elapsed_s, calm = machine.undisturbed(timer)
            times[name].append(elapsed_s)
            shaken |= set() if calm else {name}
            report.progress(f"{name}: {elapsed_s:.2f} s")
    rows = [
        [name, f"{median(taken):.2f}", f"{min(taken):.2f}-{max(taken):.2f}", "disturbed" if name in shaken else ""]
        for name, taken in times.items()
    ]
    print(report.heading("benchmarks.startup", arguments, ("torch", "transformers", "textual")))
    print()
    print(report.table(("process start to", "s, median", "range", "note"), rows))


if __name__ == "__main__":
    main(sys.argv[1:])
