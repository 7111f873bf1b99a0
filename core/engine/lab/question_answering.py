"""Extractive question answering: a start and an end for the answer, each with a probability.

Source: Devlin et al. 2019, "BERT", section 4.2; windows, masking and scores are those of the question-answering
pipeline of transformers 4.57, which transformers 5 has no more. Unlike it, equal texts from two places or windows are
not added up: a score is that of one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from core.engine.lab.desk import Desk, LabTask, Tasks
from core.engine.networks.encoder_models import LoadedEncoder
from core.engine.networks.encoders import batches_by_length, pad
from core.engine.networks.head import Head
from core.errors import InputError
from core.lab.question_answering import AnsweredQuestion, AnswerQuestion, AnswerSpan

_WINDOW, OVERLAP = 384, 128
"""Tokens in a window at most, the question among them, and how many context tokens two neighbours share."""

LONGEST_ANSWER = 15
"""In tokens."""

SPARE_CANDIDATES = 10
"""Spans kept of a window beyond twice the number asked for, since several can come to the same words."""

_IMPOSSIBLE = -10000.0


@dataclass(frozen=True, slots=True)
class _Windows:
    """A question with each window of the context, as the tokenizer encodes them."""

    encoded: Any
    """Windows are its rows."""
    allowed: list[Tensor]
    """Per window (T,): true where an answer may lie."""


def answer_question(desk: Desk, question: AnswerQuestion) -> Iterator[AnsweredQuestion]:
    """Find the best spans of the context.

    Raises:
        InputError: the question or the context is empty, or the question leaves no room for the context.
        EngineError: the model cannot be had.
    """
    loaded = desk.encoder(Head.ANSWERS, question.model)
    windows = _windows(loaded, question)
    rows: list[list[int]] = windows.encoded["input_ids"]
    found: list[AnswerSpan] = []
    no_answer, read = 1.0, 0
    for batch in batches_by_length([len(row) for row in rows], 8):
        if desk.should_stop():
            return
        for window, (start, end) in zip(batch, _logits(loaded, windows.encoded, batch), strict=True):
            spans, nothing = _best_spans(windows, window, start, end, question)
            found = _merged(found + spans)[: question.top]
            no_answer = min(no_answer, nothing)
        read += len(batch)
        desk.progress("reading", read / len(rows))
        desk.between()
    yield AnsweredQuestion(
        model=loaded.info.name,
        spans=tuple(replace(span, rank=rank) for rank, span in enumerate(found, start=1)),
        no_answer=no_answer,
        windows=len(rows),
        window_tokens=_window(loaded),
    )


def _window(loaded: LoadedEncoder) -> int:
    return min(_WINDOW, loaded.info.n_positions)


def _windows(loaded: LoadedEncoder, question: AnswerQuestion) -> _Windows:
    """The context in overlapping windows, each behind the question."""
    tokenizer, size = loaded.tokenizer, _window(loaded)
    overlap = min(size // 2, OVERLAP)
    for what, text in (("question", question.question), ("context", question.context)):
        if not tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]:
            raise InputError(f"the {what} is empty", "write at least one word")
    asked = len(tokenizer(question.question, add_special_tokens=False)["input_ids"])
    room = size - asked - tokenizer.num_special_tokens_to_add(pair=True)
    if room <= overlap:
        raise InputError(
            f"the question has {asked} tokens, which leaves no room for the context in {size}", "ask a shorter one"
        )
    encoded = tokenizer(
        question.question,
        question.context,
        truncation="only_second",
        max_length=size,
        stride=overlap,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    allowed = [
        torch.tensor([sequence == 1 for sequence in encoded.sequence_ids(window)])
        for window in range(len(encoded["input_ids"]))
    ]
    return _Windows(encoded, allowed)


def _logits(loaded: LoadedEncoder, encoded: Any, batch: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """The (T,) start and end logits of some windows."""
    fills = {"input_ids": loaded.tokenizer.pad_token_id or 0}  # whatever else the model reads is padded with 0
    inputs = {
        name: pad([encoded[name][window] for window in batch], fills.get(name, 0)).to(loaded.model.device)
        for name in encoded
        if name in loaded.tokenizer.model_input_names
    }
    with torch.inference_mode():
        output = loaded.model(**inputs)
    starts, ends = output.start_logits.float().cpu(), output.end_logits.float().cpu()  # (B, T)
    lengths = [len(encoded["input_ids"][window]) for window in batch]
    return [(starts[row, :length], ends[row, :length]) for row, length in enumerate(lengths)]


def _best_spans(
    windows: _Windows, window: int, start: Tensor, end: Tensor, question: AnswerQuestion
) -> tuple[list[AnswerSpan], float]:
    """The best spans of a window, unranked, and its probability of no answer."""
    allowed = windows.allowed[window]
    counted = allowed.clone()
    counted[0] = True  # [CLS] takes part in the softmax: it is where "no answer" points
    starts, ends = (logits.masked_fill(~counted, _IMPOSSIBLE).softmax(-1) for logits in (start, end))
    possible = (allowed[:, None] & allowed[None, :]).triu().tril(LONGEST_ANSWER - 1)
    scores = (starts[:, None] * ends[None, :]).masked_fill(~possible, -1.0)  # (T, T): row starts, column ends
    best = scores.flatten().topk(min(2 * question.top + SPARE_CANDIDATES, int(possible.sum())))
    spans = []
    for score, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        begin, finish = divmod(place, len(start))
        low, high = _whole_words(windows.encoded, window, begin, finish)
        text = question.context[low:high]
        spans.append(AnswerSpan(0, text, low, high, score, float(starts[begin]), float(ends[finish]), window))
    return spans, float(starts[0] * ends[0])


def _whole_words(encoded: Any, window: int, begin: int, finish: int) -> tuple[int, int]:
    """The edges of the words in which a span starts and ends; its own where the tokenizer knows no words."""
    low, high = encoded["offset_mapping"][window][begin][0], encoded["offset_mapping"][window][finish][1]
    words = encoded.word_ids(window)
    if words[begin] is not None:
        low = encoded.word_to_chars(window, words[begin], sequence_index=1).start
    if words[finish] is not None:
        high = encoded.word_to_chars(window, words[finish], sequence_index=1).end
    return low, high


def _merged(spans: list[AnswerSpan]) -> list[AnswerSpan]:
    """Best first, one for each pair of edges."""
    best: dict[tuple[int, int], AnswerSpan] = {}
    for span in sorted(spans, key=lambda span: (-span.score, span.window, span.start, span.end)):
        best.setdefault((span.start, span.end), span)
    return list(best.values())


TASKS: Tasks = {AnswerQuestion: LabTask(answer_question)}
