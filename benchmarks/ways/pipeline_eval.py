"""The obvious way to evaluate a classifier, as a program: transformers' pipeline over a GLUE file.

`python -m benchmarks.ways.pipeline_eval TASK FILE MODEL BATCH ROWS` prints one JSON object: accuracy, the label of each
row, and the seconds the predictions took, loading aside. ROWS is how many are read; 0 is all.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path
from typing import Any


def read(task: str, file: Path) -> tuple[list[Any], list[int]]:
    """Inputs and labels of MRPC (`similar`) or SST-2 (`sentiment`)."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    if task == "similar":
        return [{"text": row[3], "text_pair": row[4]} for row in rows], [int(row[0]) for row in rows]
    return [row[0] for row in rows], [int(row[1]) for row in rows]


def main() -> None:
    """Predict every row in the file's order, as the pipeline does."""
    import torch
    from transformers import pipeline

    from core.models.registry import resolve

    task, file, model, batch, rows = sys.argv[1:]
    inputs, labels = (column[: int(rows) or None] for column in read(task, Path(file)))
    classify: Any = pipeline("text-classification", model=str(resolve(model).folder), dtype=torch.float32)
    positive = classify.model.config.id2label[1]
    classify(inputs[:2])
    began = time.perf_counter()
    found = [answer["label"] for answer in classify(inputs, batch_size=int(batch), truncation=True)]
    seconds = time.perf_counter() - began
    right = sum(bool(label) == (guess == positive) for label, guess in zip(labels, found, strict=True))
    print(json.dumps({"accuracy": right / len(labels), "seconds": seconds, "predictions": found}))


if __name__ == "__main__":
    main()
