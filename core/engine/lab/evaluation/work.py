"""What every evaluation is made of: usable rows, batches that are small enough to stop between, numbers for each row.

Batches depend on the file, the model and the settings alone, so that a run that goes on where another stopped gives
the same numbers, to the last bit where both had the same number of cores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from core.engine.lab.desk import Desk
from core.engine.lab.evaluation.journal import Values
from core.engine.networks.encoder_models import LoadedEncoder
from core.engine.networks.encoders import batches_by_length, pad
from core.errors import EngineError
from core.lab.evaluation import CausalEvaluation, ClassifierEvaluation, EvaluationRun, FillEvaluation
from core.tables.columns import Columns
from core.tables.rows import BrokenRow, Row

Conclusion: TypeAlias = ClassifierEvaluation | FillEvaluation | CausalEvaluation

TEXT_SHOWN = 1000
"""Characters of a text in a list of mistakes; the rest becomes …"""

_BLOCK = 2048
"""Texts tokenised between two looks at who waits."""

_BATCH_FLOP = 4e10
"""Work of a batch on the CPU: a fraction of a second on two cores."""

_DEVICE_FACTOR = 100
"""How much more another device is given at once."""


class StoppedError(Exception):
    """The question was cancelled before the first batch."""


class EvaluationWork(Protocol):
    """One evaluation, ready to be computed batch by batch."""

    @property
    def rows(self) -> Sequence[Row]:
        """What is evaluated."""

    @property
    def broken(self) -> Sequence[BrokenRow]:
        """What cannot be, in the order of the file."""

    @property
    def columns(self) -> Columns:
        """The columns that were read."""

    @property
    def note(self) -> str:
        """What the user should know of how the file was read; may be empty."""

    @property
    def truncated(self) -> int:
        """Rows cut to the model's positions."""

    @property
    def costs(self) -> Sequence[int]:
        """Tokens of each item: of a row, or of a window."""

    @property
    def batches(self) -> Sequence[Sequence[int]]:
        """Indices of items; together they hold each item once."""

    def compute(self, batch: Sequence[int]) -> Values:
        """Numbers for each item of a batch."""

    def tally(self, batch: Sequence[int], values: Values) -> tuple[int, int]:
        """How many answers of a batch are right, of how many."""

    def conclude(self, values: Values, run: EvaluationRun, mistakes: int) -> Conclusion:
        """The result, from the numbers of all items in their order, with so many of the worst rows."""

    def predictions(self, values: Values) -> Iterator[tuple[object, ...]]:
        """A table of every prediction; the first row is its header."""


def split_batches(costs: Sequence[int], size: int, budget: int) -> list[list[int]]:
    """Indices in batches of like lengths, longest first.

    Args:
        costs: tokens of each item.
        size: items in a batch, at most.
        budget: tokens in a batch, padding included, at most; an item alone may have more.
    """
    batches = []
    for batch in batches_by_length(costs, size):
        step = max(1, budget // max(1, costs[batch[0]]))
        batches += [batch[start : start + step] for start in range(0, len(batch), step)]
    return batches


def token_budget(layers: int, width: int, device: torch.device) -> int:
    """How many tokens make a batch that is over in a fraction of a second: 24·layers·width² operations a token."""
    work = _BATCH_FLOP if device.type == "cpu" else _BATCH_FLOP * _DEVICE_FACTOR
    return max(1, int(work / (24 * layers * width**2)))


def encoder_budget(loaded: LoadedEncoder) -> int:
    """The same for an encoder."""
    config = loaded.model.config
    return token_budget(config.num_hidden_layers, config.hidden_size, loaded.model.device)


def tokenise(
    desk: Desk, loaded: LoadedEncoder, firsts: Sequence[str], seconds: Sequence[str] | None = None
) -> tuple[dict[str, list[list[int]]], int]:
    """Everything the model reads of many texts or pairs, cut to its positions.

    Returns:
        Rows by the name of the input (`input_ids`, …), and how many texts were cut.

    Raises:
        StoppedError: the question was cancelled.
    """
    limit = loaded.info.n_positions
    rows: dict[str, list[list[int]]] = {}
    truncated = 0
    for start in range(0, len(firsts), _BLOCK):
        breathe(desk)
        desk.progress("tokenising", start / len(firsts))
        pair = [list(texts[start : start + _BLOCK]) for texts in (firsts, seconds) if texts is not None]
        encoded = loaded.tokenizer(*pair, truncation=True, max_length=limit)
        for name, part in encoded.items():
            rows.setdefault(name, []).extend(part)
        full = [index for index, ids in enumerate(encoded["input_ids"]) if len(ids) == limit]
        whole = loaded.tokenizer(*([texts[index] for index in full] for texts in pair), verbose=False) if full else {}
        truncated += sum(len(ids) > limit for ids in whole.get("input_ids", ()))
    return rows, truncated


def breathe(desk: Desk) -> None:
    """Let short requests in.

    Raises:
        StoppedError: the question was cancelled.
    """
    desk.between()
    if desk.should_stop():
        raise StoppedError


def can_pad(loaded: LoadedEncoder) -> bool:
    """Whether texts of different lengths can go through a model together."""
    return loaded.tokenizer.pad_token_id is not None and loaded.model.config.pad_token_id is not None


def padded(loaded: LoadedEncoder, encoded: dict[str, list[list[int]]], batch: Sequence[int]) -> dict[str, Tensor]:
    """(B, T) inputs on the model's device; whatever else than ids the model reads is padded with 0."""
    fill = loaded.tokenizer.pad_token_id or 0
    return {
        name: pad([rows[index] for index in batch], fill if name == "input_ids" else 0).to(loaded.model.device)
        for name, rows in encoded.items()
    }


def check_numbers(numbers: Tensor, dtype: str) -> None:
    """Refuse what is not a number.

    Raises:
        EngineError: the model overflowed.
    """
    if not bool(torch.isfinite(numbers).all()):
        raise EngineError(f"the model's answers are no numbers in {dtype}", "use --dtype float32, or another model")


def shorten(text: str) -> str:
    """A text as long as a list of mistakes can take."""
    return text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 1] + "…"


def column_names(columns: Columns) -> tuple[str, ...]:
    """Those that were read."""
    return tuple(name for name in (columns.text, columns.text_b, columns.label) if name)


def readable_token(tokenizer: Any, id_: int) -> str:
    """An entry of the vocabulary as a word."""
    token: str = tokenizer.convert_ids_to_tokens(id_)
    text: str = tokenizer.convert_tokens_to_string([token])
    return text.strip() or token
