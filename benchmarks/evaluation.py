"""`nlp-tui eval` beside transformers' pipeline at its best batch size, on the dev files of MRPC and SST-2.

`python -m benchmarks.evaluation GLUE`, GLUE being the folder that holds `MRPC/dev.tsv` and `SST-2/dev.tsv`. Each run is
a process of its own, in turns; what is timed is the prediction of the file, loading aside, as each program says it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine, report

TASKS = {"similar": ("MRPC/dev.tsv", "starter/mrpc"), "sentiment": ("SST-2/dev.tsv", "starter/sst2")}
BATCHES = (1, 8, 32)


def run(*arguments: str) -> dict[str, Any]:
    """Run a module and return the JSON object it prints."""
    finished = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    answer: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return answer


def measure(task: str, file: Path, model: str, repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds and accuracy of each way."""
    ways: dict[str, tuple[str, ...]] = {
        f"pipeline, batch {batch}": ("benchmarks.ways.pipeline_eval", task, str(file), model, str(batch))
        for batch in BATCHES
    }
    ways["nlp-tui eval"] = ("tui.cli", "eval", task, str(file), "--model", model, "--json", "--fresh")
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    accuracy: dict[str, float] = {}
    for repeat in range(repeats):
        for way, arguments in ways.items():
            report.progress(f"{task}: {way}, run {repeat + 1} of {repeats}")
            answer, _ = machine.undisturbed(lambda arguments=arguments: run(*arguments))  # type: ignore[misc]
            seconds[way].append(answer["seconds"])
            accuracy[way] = answer["accuracy"]
    return {way: median(times) for way, times in seconds.items()}, accuracy


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("glue", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    print(report.heading("benchmarks.evaluation", ["GLUE"], ("transformers", "torch")))
    rows = []
    for task, (name, model) in TASKS.items():
        seconds, accuracy = measure(task, options.glue / name, model, options.repeats)
        best = min(value for way, value in seconds.items() if way != "nlp-tui eval")
        rows += [
            [task, way, f"{value:.2f}", f"{best / value:.2f}", f"{accuracy[way]:.4f}"] for way, value in seconds.items()
        ]
    print(report.table(["task", "way", "seconds", "best pipeline ÷ it", "accuracy"], rows))


if __name__ == "__main__":
    main(sys.argv[1:])
