"""Sentence tasks from GLUE: MRPC, SST-2 and STS-B, as rows of texts and a label.

Reads tab-separated files; does not tokenise. Invariant: no training row holds the sentences of a
row of any task's dev set, whatever their order, case and punctuation (STS-B and MRPC share texts).
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import assert_never

import torch
from torch import Tensor
from torch.nn import functional
from transformers import BatchEncoding, PreTrainedTokenizerBase

HIGHEST_SCORE = 5.0
LONGEST_INPUT = 128
BUCKET_ROWS = 1024

_NOT_LETTERS = re.compile(r"[\W_]+")


class Task(StrEnum):
    """The sentence tasks."""

    MRPC = "mrpc"
    SST2 = "sst2"
    STSB = "stsb"


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a task."""

    texts: tuple[str, ...]
    """One sentence or two."""
    label: float
    """A class, a similarity in 0-1, or the probability of class 1 of two."""

    @property
    def key(self) -> frozenset[str]:
        """The sentences without order, case and punctuation."""
        return frozenset(_NOT_LETTERS.sub("", text.lower()) for text in self.texts)


@dataclass(frozen=True, slots=True)
class TaskRows:
    """A task's rows."""

    train: tuple[Example, ...]
    """Rows to learn from."""
    dev: tuple[Example, ...]
    """Rows that are only ever measured on."""


def read_tsv(path: Path) -> list[list[str]]:
    """Read a tab-separated file without quoting, its header left out."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]


def read_part(data: Path, task: Task, part: str) -> list[Example]:
    """Read one file of a task: `part` is train or dev."""
    match task:
        case Task.MRPC:
            rows = read_tsv(data / "glue" / "MRPC" / f"{part}.tsv")
            return [Example((row[3], row[4]), int(row[0])) for row in rows]
        case Task.SST2:
            rows = read_tsv(data / "glue" / "SST-2" / f"{part}.tsv")
            return [Example((row[0].strip(),), int(row[1])) for row in rows]
        case Task.STSB:
            rows = read_tsv(data / "glue" / "STS-B" / f"{part}.tsv")
            return [Example((row[7], row[8]), float(row[9]) / HIGHEST_SCORE) for row in rows]
        case _:
            assert_never(task)


def read_tasks(data: Path) -> dict[Task, TaskRows]:
    """Read all tasks from `data`/glue, training rows that recur in a dev set dropped."""
    dev = {task: read_part(data, task, "dev") for task in Task}
    measured_on = {example.key for examples in dev.values() for example in examples}
    return {
        task: TaskRows(
            tuple(e for e in read_part(data, task, "train") if e.key not in measured_on),
            tuple(dev[task]),
        )
        for task in Task
    }


def measured_pairs(rows: Mapping[Task, TaskRows]) -> set[frozenset[str]]:
    """Return the keys of all dev sets' rows."""
    return {example.key for task in rows.values() for example in task.dev}


def length_buckets(examples: Sequence[Example], size: int = BUCKET_ROWS) -> list[list[Example]]:
    """Cut rows into buckets of similar length, so that batches need little padding.

    Args:
        examples: The rows.
        size: Rows of a bucket, about.

    Returns:
        Buckets that differ by one row at most, shortest texts first.
    """
    by_length = sorted(examples, key=lambda example: sum(map(len, example.texts)))
    count = max(1, len(by_length) // size)
    bounds = [index * len(by_length) // count for index in range(count + 1)]
    return [by_length[start:end] for start, end in pairwise(bounds)]


def draw_examples(buckets: Sequence[Sequence[Example]], count: int, generator: torch.Generator) -> list[Example]:
    """Draw a batch from one bucket, with replacement."""
    bucket = buckets[int(torch.randint(len(buckets), (1,), generator=generator))]
    places = torch.randint(len(bucket), (count,), generator=generator)
    return [bucket[place] for place in places.tolist()]


def encode_examples(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, *, swap: bool = False
) -> BatchEncoding:
    """Tokenise rows of one or two sentences into one padded batch.

    Args:
        examples: The rows.
        tokenizer: The tokenizer.
        swap: Put the second sentence first.

    Returns:
        Model inputs, (B, T).
    """
    columns = list(zip(*(example.texts for example in examples), strict=True))
    if swap:
        columns.reverse()
    batch: BatchEncoding = tokenizer(
        *(list(column) for column in columns),
        padding=True,
        truncation=True,
        max_length=LONGEST_INPUT,
        return_tensors="pt",
    )
    return batch


def two_class_loss(logits: Tensor, examples: Sequence[Example]) -> Tensor:
    """Return the mean cross-entropy of two classes with the rows' labels, which may be soft, in nats.

    Args:
        logits: (B, 2).
        examples: The rows.
    """
    second = torch.tensor([float(example.label) for example in examples], device=logits.device)
    return functional.cross_entropy(logits.float(), torch.stack([1 - second, second], 1))


def class_labels(examples: Sequence[Example]) -> Tensor:
    """Return the rows' classes, (B,)."""
    return torch.tensor([int(example.label) for example in examples])
