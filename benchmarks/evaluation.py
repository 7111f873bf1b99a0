"""`nlp-tui eval` beside transformers' pipeline at seven batch sizes, on the dev files of MRPC and SST-2.

`python -m benchmarks.evaluation GLUE`, GLUE being the folder that holds `MRPC/dev.tsv` and `SST-2/dev.tsv`. Each run is
a process of its own, in turns; what is timed is the prediction of the file, loading aside, as each program says it.
Every row's prediction is compared with that of the pipeline at batch size 1. The models are those that `eval` uses
where none is named.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine, report
from core.lab.evaluation import DEFAULT_MODELS, EvaluationTask

FILES = {EvaluationTask.SIMILAR: "MRPC/dev.tsv", EvaluationTask.SENTIMENT: "SST-2/dev.tsv"}
BATCHES = (1, 2, 4, 8, 16, 32, 64)
OURS = "nlp-tui eval"


@dataclass(slots=True)
class Way:
    """One way to evaluate, and what it gave."""

    arguments: tuple[str, ...]
    """The module, and its command line."""
    csv: Path | None = None
    """Where it writes its predictions; None where they are in what it prints."""
    seconds: list[float] = field(default_factory=list)
    accuracy: float = 0.0
    predictions: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Run it once more."""
        answer, _ = machine.undisturbed(self._answer)
        self.seconds.append(answer["seconds"])
        self.accuracy = answer["accuracy"]
        self.predictions = answer["predictions"] if self.csv is None else read_predictions(self.csv)

    def _answer(self) -> dict[str, Any]:
        command = [sys.executable, "-m", *self.arguments]
        finished = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
        answer: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
        return answer


def read_predictions(file: Path) -> list[str]:
    """The predicted labels of an `eval --csv` file."""
    with file.open(encoding="utf-8", newline="") as lines:
        return [row["predicted"] for row in csv.DictReader(lines)]


def ways_of(task: EvaluationTask, file: Path, rows: int, out: Path) -> dict[str, Way]:
    """The pipeline at each batch size, and `eval`; `out` is where it writes its predictions."""
    given = (task.value, str(file))
    pipeline = ("benchmarks.ways.pipeline_eval", *given, DEFAULT_MODELS[task])
    ways = {f"pipeline, batch {batch}": Way((*pipeline, str(batch), str(rows))) for batch in BATCHES}
    options = ("--json", "--fresh", "--limit", str(rows), "--csv", str(out))
    return ways | {OURS: Way(("tui.cli", "eval", *given, *options), out)}


def table_rows(task: EvaluationTask, ways: dict[str, Way]) -> list[list[str]]:
    """What each way gave, its time beside that of the quickest pipeline."""
    times = {name: median(way.seconds) for name, way in ways.items()}
    best = min(time for name, time in times.items() if name != OURS)
    reference = next(iter(ways.values())).predictions
    return [
        [
            f"{task.value}, {DEFAULT_MODELS[task]}",
            name,
            f"{times[name]:.2f}",
            f"{best / times[name]:.2f}",
            f"{way.accuracy:.4f}",
            f"{sum(one != other for one, other in zip(way.predictions, reference, strict=True))} of {len(reference)}",
        ]
        for name, way in ways.items()
    ]


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("glue", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=0, help="of each file, from its start; 0 is all (0)")
    options = parser.parse_args(arguments)
    print(report.heading("benchmarks.evaluation", ["GLUE"], ("transformers", "torch")))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for task, name in FILES.items():
            ways = ways_of(task, options.glue / name, options.rows, Path(folder) / "predictions.csv")
            for repeat in range(options.repeats):
                for way_name, way in ways.items():
                    report.progress(f"{task.value}: {way_name}, run {repeat + 1} of {options.repeats}")
                    way.run()
            rows += table_rows(task, ways)
    header = ["task, model", "way", "seconds", "best pipeline ÷ it", "accuracy", "predictions other than batch 1's"]
    print(report.table(header, rows))


if __name__ == "__main__":
    main(sys.argv[1:])
