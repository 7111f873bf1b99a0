"""Asking for evaluations: texts, questions with small batches, and what came out."""

from __future__ import annotations

import csv
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.engine.lab.evaluation.task import evaluate
from core.lab.evaluation import (
    Evaluate,
    EvaluationTask,
)
from tests.loaded import desk

SENTENCE = "the cat sat on a mat while it was raining and nobody came to see how well the old dog slept"
WORDS = SENTENCE.split(" ")
TEXTS = [" ".join(WORDS[start : start + length]) for start in range(4) for length in (1, 3, 5, 8, 12)]


def asked(task: EvaluationTask, model: Path | str, path: Path, **options: Any) -> Evaluate:
    """A question with small batches."""
    return Evaluate(task, str(model), str(path), **({"batch_size": 4} | options))


def result_of(question: Evaluate, **place: Any) -> Any:
    """The last answer."""
    *_, last = evaluate(desk(**place), question)
    return last


def predictions(question: Evaluate, folder: Path) -> list[dict[str, str]]:
    """Every prediction, from the CSV."""
    out = folder / "out.csv"
    result_of(replace(question, csv=str(out)))
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def without_times(answer: Any) -> dict[str, Any]:
    """A result, but for how it came about."""
    fields = asdict(answer)
    fields["run"] = {**fields["run"], "seconds": 0, "resumed": 0}
    return fields
