"""Labelled rows for fine-tuning: which labels there are, which rows are held out, and the batches of every epoch.

Every draw has a seed of its own, so that a run that goes on finds the same batches.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.errors import InputError
from core.lab.finetuning import Finetune, FinetuneTask, LabelCount
from core.tables.columns import Columns
from core.tables.rows import MAX_ROWS, BrokenRow, Row, Table, read_rows

MAX_LABELS = 20
MIN_ROWS = 10
MAX_TOKENS = 256
"""More tokens of a row are not read: a step stays short on a CPU."""

POOL_BATCHES = 16
"""So many batches' rows are sorted by length together: little padding, yet other batches every epoch."""

_FRIENDLY = {
    FinetuneTask.SENTIMENT: ("NEGATIVE", "POSITIVE"),
    FinetuneTask.SIMILAR: ("not_equivalent", "equivalent"),
}
"""Names for the labels 0 and 1, as the usual models have them."""


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """The rows of a file and their classes."""

    rows: tuple[Row, ...]
    classes: tuple[int, ...]
    labels: tuple[LabelCount, ...]
    """By class."""
    columns: Columns
    broken: tuple[BrokenRow, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The labels' names by class."""
        return tuple(label.label for label in self.labels)


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """Rows as a model reads them."""

    columns: dict[str, list[list[int]]]
    """What the model reads beside each other: ids, attention mask and, of some models, sentence numbers."""
    classes: tuple[int, ...]
    fills: dict[str, int]
    """What a column is padded with where it is not 0."""
    truncated: int
    """How many rows were cut."""

    @property
    def ids(self) -> list[list[int]]:
        """The token ids of each row."""
        return self.columns["input_ids"]

    def fingerprint(self) -> str:
        """Tells these rows from others: the same for the same ids and classes in the same order."""
        digest = hashlib.sha256()
        for ids, class_ in zip(self.ids, self.classes, strict=True):
            digest.update(f"{class_}:{ids}".encode())
        return digest.hexdigest()


def read_labelled(question: Finetune) -> LabelledRows:
    """The rows of the question's file.

    Raises:
        InputError: too few rows, labels that cannot be told apart, or columns that are not there.
        EngineError: the file cannot be read.
    """
    path = Path(question.path).expanduser()
    columns = Columns(question.text, question.text_b, question.label)
    pairs = question.task is FinetuneTask.SIMILAR
    if question.text_b and not pairs:
        raise InputError("--text-b belongs to pairs", "use --task similar, or leave it out")
    table = read_rows(path, columns, texts=2 if pairs else 1, limit=MAX_ROWS if question.limit else 0)
    rows = _drawn(table.rows, question.limit, question.seed)
    if len(rows) < MIN_ROWS:
        raise InputError(
            f"{path.name} has {_counted(len(rows), 'usable row')}{_first_complaint(table)}",
            f"training takes {MIN_ROWS} or more",
        )
    counts = Counter(row.label for row in rows)
    written = sorted(counts, key=_label_order)
    column = table.columns.label
    if len(written) < 2:
        raise InputError(
            f"every row of {path.name} has the label {written[0]!r} in column {column!r}",
            "there must be rows of two labels or more; name another column with --label",
        )
    if len(written) > MAX_LABELS:
        raise InputError(
            f"column {column!r} of {path.name} holds {len(written):,} different labels, more than {MAX_LABELS}",
            "name the label's column with --label; numbers to be predicted are no labels",
        )
    names = _FRIENDLY[question.task] if written == ["0", "1"] else tuple(written)
    labels = tuple(LabelCount(name, label, counts[label]) for name, label in zip(names, written, strict=True))
    class_of = {label: class_ for class_, label in enumerate(written)}
    classes = tuple(class_of[row.label] for row in rows)
    return LabelledRows(rows, classes, labels, table.columns, table.broken)


def encode_rows(labelled: LabelledRows, tokenizer: Any, limit: int) -> EncodedRows:
    """Tokenise rows, cut to so many tokens.

    Args:
        labelled: single texts or pairs.
        tokenizer: transformers' own.
        limit: tokens at most, special ones included.
    """
    texts = [list(column) for column in zip(*(row.texts for row in labelled.rows), strict=True)]
    whole = tokenizer(*texts, verbose=False)
    truncated = sum(len(ids) > limit for ids in whole["input_ids"])
    encoded = tokenizer(*texts, truncation=True, max_length=limit) if truncated else whole
    fills = {"input_ids": tokenizer.pad_token_id}
    return EncodedRows(dict(encoded), labelled.classes, fills, truncated)


def hold_out(labelled: LabelledRows, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Split rows into those to learn from and those to measure on, the same share of every label.

    A text that occurs twice is never held out, so that nothing measured was learnt.

    Args:
        labelled: the rows.
        share: of the rows to hold out, 0-0.5.
        seed: of the draw.

    Returns:
        Indices to learn from and indices held out, each in order.

    Raises:
        InputError: none can be held out.
    """
    generator = torch.Generator().manual_seed(seed)
    occurrences = Counter(row.texts for row in labelled.rows)
    held: set[int] = set()
    for class_ in range(len(labelled.labels)):
        own = [index for index, found in enumerate(labelled.classes) if found == class_]
        wanted = min(max(1, round(share * len(own))), len(own) - 1)
        order = torch.randperm(len(own), generator=generator).tolist()
        unique = [own[place] for place in order if occurrences[labelled.rows[own[place]].texts] == 1]
        held.update(unique[:wanted])
    if not held:
        raise InputError("no row can be held out to measure on", "every text is there twice; give more rows")
    return [index for index in range(len(labelled.rows)) if index not in held], sorted(held)


def epoch_batches(lengths: Sequence[int], rows: Sequence[int], size: int, seed: int) -> list[list[int]]:
    """One epoch's batches of like lengths, in random order.

    Args:
        lengths: of every row, in tokens.
        rows: indices of the rows to draw from.
        size: rows in a batch; the last of all has fewer.
        seed: of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled = [rows[place] for place in torch.randperm(len(rows), generator=generator).tolist()]
    batches = list(_by_pool(shuffled, lengths, size))
    return [batches[place] for place in torch.randperm(len(batches), generator=generator).tolist()]


def _by_pool(rows: Sequence[int], lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(rows), size * POOL_BATCHES):
        pool = sorted(rows[start : start + size * POOL_BATCHES], key=lambda row: lengths[row])
        for place in range(0, len(pool), size):
            yield pool[place : place + size]


def _drawn(rows: tuple[Row, ...], limit: int, seed: int) -> tuple[Row, ...]:
    """So many rows at random, in the file's order; all of them for 0."""
    if not 0 < limit < len(rows):
        return rows
    places = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:limit]
    return tuple(rows[place] for place in sorted(places.tolist()))


def _first_complaint(table: Table) -> str:
    if not table.broken:
        return ""
    first = table.broken[0]
    return f" ({_counted(len(table.broken), 'row')} cannot be used; line {first.line}: {first.reason})"


def _label_order(label: str) -> tuple[bool, float, str]:
    """Numbers by value, before everything else by spelling."""
    try:
        number = float(label)
    except ValueError:
        number = math.nan
    return (False, number, label) if math.isfinite(number) else (True, 0.0, label)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
