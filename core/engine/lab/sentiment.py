"""A classifier's labels for many texts, and what each word adds: left out, and the text read again.

Probabilities are those of transformers' text-classification pipeline. Leaving words out to see what an answer hangs
on is occlusion (Zeiler and Fergus 2014; for text Li, Monroe and Jurafsky 2016).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch

from core.engine.lab.desk import Desk, LabTask, Tasks
from core.engine.lab.many_texts import BLOCK, TextResult, carry_on, classify
from core.engine.networks.encoder_models import LoadedEncoder
from core.engine.networks.head import Head
from core.errors import ModelFormatError
from core.lab.sentiment import LabelScore, LeftOutWord, ReadSentiment, Sentiment

_WORD = re.compile(r"\S+")


def read_sentiment(desk: Desk, question: ReadSentiment) -> Iterator[Sentiment]:
    """Classify texts, in their order; when cancelled, those that are done.

    Raises:
        ModelFormatError: the model gives a number, not labels.
        EngineError: the model cannot be had.
    """
    loaded = desk.encoder(Head.CLASSIFIER, question.model)
    if loaded.model.config.problem_type == "regression":
        raise ModelFormatError(f"{loaded.info.name} gives a number, not labels", "use starter/sst2 or another one")
    total = len(question.texts)
    for start in range(0, total, BLOCK):
        rows: list[TextResult] = []
        for batch in classify(loaded, question.texts[start : start + BLOCK]):
            rows += batch
            if not carry_on(desk, "reading", start + len(rows), total):
                return
        for row in sorted(rows, key=lambda row: row.index):
            index = start + row.index
            words = _left_out(desk, loaded, question.texts[index], row) if question.contributions else ()
            if words is None:
                return
            yield _sentiment(loaded, index, question.texts[index], row, words)


def _sentiment(
    loaded: LoadedEncoder, index: int, text: str, row: TextResult, words: tuple[LeftOutWord, ...]
) -> Sentiment:
    return Sentiment(
        model=loaded.info.name,
        index=index,
        text=text,
        label=loaded.labels[int(row.values.argmax())],
        scores=tuple(LabelScore(*score) for score in zip(loaded.labels, row.values.tolist(), strict=True)),
        words=words,
        truncated=row.truncated,
    )


def _left_out(desk: Desk, loaded: LoadedEncoder, text: str, whole: TextResult) -> tuple[LeftOutWord, ...] | None:
    """Each word the model read, and the label's probability without it; None when cancelled."""
    label = int(whole.values.argmax())
    read = text[: _read_until(loaded, text)] if whole.truncated else text
    spans = [match.span() for match in _WORD.finditer(read)]
    without = torch.zeros(len(spans))
    done = 0
    for batch in classify(loaded, [leave_out(read, spans, place) for place in range(len(spans))]):
        for row in batch:
            without[row.index] = row.values[label]
        done += len(batch)
        if not carry_on(desk, "leaving words out", done, len(spans)):
            return None
    return tuple(
        LeftOutWord(read[start:end], start, end, prob, float(whole.values[label]) - prob)
        for (start, end), prob in zip(spans, without.tolist(), strict=True)
    )


def leave_out(text: str, spans: list[tuple[int, int]], place: int) -> str:
    """A text without one of its words and without the white space after it; the last word takes what is before it.

    Args:
        text: the text.
        spans: start and end of each word.
        place: which word goes.
    """
    if place + 1 < len(spans):
        return text[: spans[place][0]] + text[spans[place + 1][0] :]
    return text[: spans[place - 1][1] if place else spans[place][0]] + text[spans[place][1] :]


def _read_until(loaded: LoadedEncoder, text: str) -> int:
    """Where the model stops reading a text that is too long for it, in code points."""
    if not loaded.tokenizer.is_fast:  # no other kind of tokenizer knows where its tokens come from
        return len(text)
    encoded = loaded.tokenizer(
        text, truncation=True, max_length=loaded.info.n_positions, return_offsets_mapping=True, verbose=False
    )
    until: int = max(end for _, end in encoded["offset_mapping"])
    return until


TASKS: Tasks = {ReadSentiment: LabTask(read_sentiment)}
