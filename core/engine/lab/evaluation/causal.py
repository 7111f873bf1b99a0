"""Evaluating causal language models: perplexity of texts that may be longer than the model's positions.

A window moves over each text by a stride; in each window only the tokens that no earlier window predicted count, so
every token but the first of a text is predicted once, from at least window − stride tokens before it where the text
has so many. Source: transformers' guide "Perplexity of fixed-length models"; bits per byte as in Gao et al. 2020, "The
Pile", section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from core.engine.lab.desk import Desk
from core.engine.lab.evaluation.journal import Values
from core.engine.lab.evaluation.metrics import exp_of
from core.engine.lab.evaluation.work import breathe, check_numbers, shorten, split_batches, token_budget
from core.engine.networks.causal import CausalModel
from core.engine.networks.kv_cache import KVCache
from core.engine.networks.loading import LoadedCausal
from core.errors import InputError, SettingError
from core.lab.evaluation import CausalEvaluation, Evaluate, EvaluationRun, HardText
from core.tables.columns import Columns, LabelUse
from core.tables.rows import Row, TableFormat, format_of, read_lines, read_rows
from core.text.tokenization import Scheme, TextTokenizer

_LOGITS_AT_ONCE = 2**25
"""Entries of logits held at once: the head's output is by far the largest thing in memory."""


_ROWS_BETWEEN = 256
"""Texts tokenised between two looks at who waits."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a text's tokens."""

    row: int
    start: int
    scored: int
    """The first token that is predicted in it."""
    end: int


def windows_of(length: int, window: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """(start, first predicted, end) of each window over a text: every token but the first is predicted once.

    Args:
        length: of the text in tokens, at least 2.
        window: tokens in a window, at most.
        stride: tokens it moves on by, 1 to window − 1.
    """
    scored = 1
    for start in range(0, length, stride):
        end = min(start + window, length)
        yield start, scored, end
        scored = end
        if end == length:
            return


class CausalWork:
    """A causal model and the texts it is to be judged on."""

    note = ""
    truncated = 0

    def __init__(self, desk: Desk, question: Evaluate, loaded: LoadedCausal) -> None:
        """Read the file and tokenise it.

        Raises:
            SettingError: window or stride do not suit the model.
            EngineError: the file cannot be used.
            StoppedError: the question was cancelled.
        """
        self._loaded = loaded
        self.window, self.stride = _sizes(question, loaded.model.n_positions)
        self._ids: list[list[int]] = []
        self._read(desk, question)
        self._windows = [
            Window(row, *found)
            for row, ids in enumerate(self._ids)
            for found in windows_of(len(ids), self.window, self.stride)
        ]
        self.costs = [one.end - one.start - 1 for one in self._windows]
        self.batches = self._batches(question.batch_size)

    def compute(self, batch: Sequence[int]) -> Values:
        """The sum of −ln p and how many tokens rank first, for each window; all have the same context."""
        windows = [self._windows[index] for index in batch]
        context = windows[0].scored - windows[0].start - 1  # tokens that are read but whose next one counted before
        rows = [self._ids[one.row][one.start : one.end] for one in windows]
        longest = max(map(len, rows))
        ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=self._loaded.model.device)
        targets = torch.tensor([[*row, *[-1] * (longest - len(row))] for row in rows])[:, context + 1 :]  # (B, T)
        losses, hits = torch.zeros(len(rows), dtype=torch.float64), torch.zeros(len(rows), dtype=torch.long)
        with torch.inference_mode():
            cache = _cache(self._loaded.model, len(rows))
            if context:
                self._loaded.model.forward(ids[:, :context], cache)
            step = max(1, _LOGITS_AT_ONCE // (len(rows) * self._loaded.info.vocab_size))
            for start in range(0, targets.shape[1], step):
                wanted = targets[:, start : start + step]
                inputs = ids[:, context + start : context + start + wanted.shape[1]]
                logits = self._loaded.model.forward(inputs, cache, every_position=True).float().cpu()  # (B, T, V)
                nats = logits.logsumexp(-1) - logits.gather(-1, wanted.clamp(min=0)[..., None])[..., 0]
                counts = wanted >= 0
                check_numbers(nats[counts], self._loaded.info.dtype)
                losses += (nats.double() * counts).sum(1)
                hits += ((logits.argmax(-1) == wanted) & counts).sum(1)
        return [[float(loss), float(hit)] for loss, hit in zip(losses, hits, strict=True)]

    def tally(self, batch: Sequence[int], values: Values) -> tuple[int, int]:
        """Tokens that rank first, of all."""
        return int(sum(hits for _, hits in values)), sum(self._scored(index) for index in batch)

    def conclude(self, values: Values, run: EvaluationRun, mistakes: int) -> CausalEvaluation:
        """Sum up the windows."""
        losses, tokens = self._by_row(values), [len(ids) - 1 for ids in self._ids]
        nats, count = math.fsum(losses), sum(tokens)
        sizes = [
            scored_size(self._loaded.tokenizer, row.texts[0], ids)
            for row, ids in zip(self.rows, self._ids, strict=True)
        ]
        characters, bytes_ = (sum(column) for column in zip(*sizes, strict=True))
        bits, means = nats / math.log(2), [loss / n for loss, n in zip(losses, tokens, strict=True)]
        hardest = sorted(range(len(means)), key=lambda row: -means[row])[:mistakes]
        return CausalEvaluation(
            run=run,
            method=self._method(),
            window=self.window,
            stride=self.stride,
            tokens=count,
            characters=characters,
            bytes=bytes_,
            accuracy=sum(hits for _, hits in values) / count,
            loss=nats / count,
            perplexity=exp_of(nats / count),
            bits_per_character=bits / max(characters, 1),
            bits_per_byte=bits / max(bytes_, 1),
            hardest=tuple(
                HardText(self.rows[row].line, shorten(self.rows[row].texts[0]), tokens[row], means[row])
                for row in hardest
            ),
        )

    def predictions(self, values: Values) -> Iterator[tuple[object, ...]]:
        """Line, tokens predicted, mean loss, perplexity."""
        yield ("line", "tokens", "loss", "perplexity")
        for row, ids, loss in zip(self.rows, self._ids, self._by_row(values), strict=True):
            mean = loss / (len(ids) - 1)
            yield (row.line, len(ids) - 1, mean, exp_of(mean))

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read(self, desk: Desk, question: Evaluate) -> None:
        path, columns = Path(question.path), Columns(question.text)
        if format_of(path) is not TableFormat.PLAIN:
            table = read_rows(
                path, columns, label=LabelUse.NONE, limit=question.limit, check=lambda row: self._take(desk, row)
            )
            self.rows, self.broken, self.columns = table.rows, table.broken, table.columns
            return
        text, self.broken = read_lines(path)
        self.rows, self.columns = (Row((text,), "", 1),), Columns()
        if complaint := self._take(desk, self.rows[0]):
            raise InputError(f"{path} cannot be evaluated: {complaint}", "give a longer text")

    def _take(self, desk: Desk, row: Row) -> str:
        """Tokenise a text; says what is wrong with it, or nothing."""
        if len(self._ids) % _ROWS_BETWEEN == 0:
            breathe(desk)
        ids = self._loaded.tokenizer.ids(row.texts[0])
        if len(ids) < 2:
            return "one token alone: there is nothing to predict"
        self._ids.append(ids)
        return ""

    def _batches(self, size: int) -> list[list[int]]:
        """Windows of the same context and of like lengths together."""
        info, contexts = self._loaded.info, [one.scored - one.start for one in self._windows]
        # A token costs about two operations for each weight, the head's among them.
        budget = token_budget(1, max(1, round(math.sqrt(info.parameters / 12))), self._loaded.model.device)
        batches = []
        for context in sorted(set(contexts)):
            members = [index for index, own in enumerate(contexts) if own == context]
            costs = [self.costs[index] for index in members]
            batches += [[members[place] for place in batch] for batch in split_batches(costs, size, budget)]
        return batches

    # -- reading what was found ---------------------------------------------------------------------------------------

    def _scored(self, index: int) -> int:
        return self._windows[index].end - self._windows[index].scored

    def _by_row(self, values: Values) -> list[float]:
        """The sum of −ln p of each text."""
        losses = [0.0] * len(self._ids)
        for window, (loss, _) in zip(self._windows, values, strict=True):
            losses[window.row] += loss
        return losses

    def _method(self) -> str:
        least = self.window - self.stride
        return (
            f"each token but the first of a text, from at most {self.window - 1:,} tokens before it "
            f"(at least {least:,} where the text has them)"
        )


def scored_size(tokenizer: TextTokenizer, text: str, ids: Sequence[int]) -> tuple[int, int]:
    """Code points and UTF-8 bytes of a text without its first token, which nothing predicts.

    Args:
        tokenizer: made `ids` of `text`.
        text: the whole text.
        ids: a first token that stands for no text, as Llama's, takes nothing away.
    """
    if tokenizer.is_special(ids[0]):
        return len(text), len(text.encode())
    first = tokenizer.token_bytes(ids[0])
    if tokenizer.scheme is not Scheme.BYTE_BPE:
        first = first.strip()
    return len(text) - len(first.decode("utf-8", "ignore")), len(text.encode()) - len(first)


def _sizes(question: Evaluate, positions: int) -> tuple[int, int]:
    """Window and stride, checked."""
    window = question.window or positions
    if window > positions:
        raise SettingError(f"window must be in [2, {positions}], got {window}", "the model has no more positions")
    stride = question.stride or max(1, window // 2)
    if stride >= window:
        raise SettingError(f"stride must be in [1, {window - 1}], got {stride}", "it must be smaller than the window")
    return window, stride


def _cache(model: CausalModel, rows: int) -> object:
    """An empty cache for so many sequences."""
    cache = model.new_cache()
    if isinstance(cache, KVCache):
        cache.keep_rows([0] * rows)
    return cache
