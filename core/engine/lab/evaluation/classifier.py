"""Evaluating classifiers of texts and of pairs: each row's prediction is that of transformers' text-classification."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from core.engine.lab.desk import Desk
from core.engine.lab.evaluation.journal import Values
from core.engine.lab.evaluation.metrics import calibrate, score_classes
from core.engine.lab.evaluation.work import (
    can_pad,
    check_numbers,
    encoder_budget,
    padded,
    shorten,
    split_batches,
    tokenise,
)
from core.engine.lab.sentence_pairs import similar_label
from core.engine.networks.encoder_models import LoadedEncoder, two_labelled
from core.errors import ModelFormatError
from core.lab.evaluation import ClassifierEvaluation, Evaluate, EvaluationRun, EvaluationTask, Mistake
from core.tables.columns import Columns
from core.tables.rows import Row, Table, read_rows

_POSITIVE = {
    EvaluationTask.SIMILAR: ("equivalent", "similar", "paraphrase", "duplicate", "yes", "true"),
    EvaluationTask.SENTIMENT: ("positive", "pos"),
}
_NEGATIVE = {
    EvaluationTask.SIMILAR: ("not equivalent", "not similar", "different", "no", "false"),
    EvaluationTask.SENTIMENT: ("negative", "neg"),
}
"""What files call the two labels, beside the model's own names and their numbers."""

_DEGREE = re.compile(r"\d+\.\d+")
"""A number that is no class, such as STS-B's similarities from 0 to 5."""


def positive_label(task: EvaluationTask, labels: tuple[str, ...]) -> int:
    """The class whose F1 counts: the one that means equivalent or positive, else label 1."""
    if task is EvaluationTask.SIMILAR:
        return similar_label(labels)
    return next((index for index, label in enumerate(labels) if _plain(label) in _POSITIVE[task]), 1)


def label_classes(task: EvaluationTask, labels: tuple[str, ...]) -> dict[str, int]:
    """The class of each way to write a label: the model's names, GLUE's numbers (1 is the positive one), usual names.

    Args:
        task: similar or sentiment.
        labels: the model's, by class; with more than two, numbers are classes.
    """
    found = {_plain(label): index for index, label in enumerate(labels)}
    if len(labels) != 2:
        return {str(index): index for index in range(len(labels))} | found
    positive = positive_label(task, labels)
    found = {"1": positive, "0": 1 - positive} | found
    usual = dict.fromkeys(_POSITIVE[task], positive) | dict.fromkeys(_NEGATIVE[task], 1 - positive)
    return usual | found


class ClassifierWork:
    """A classifier and the rows it is to be judged on."""

    def __init__(self, desk: Desk, question: Evaluate, loaded: LoadedEncoder) -> None:
        """Read the file and tokenise it.

        Raises:
            ModelFormatError: the model has not the labels that the task needs.
            EngineError: the file cannot be used.
            StoppedError: the question was cancelled.
        """
        self._task, self._loaded = question.task, loaded
        pairs = question.task is EvaluationTask.SIMILAR
        if pairs:
            two_labelled(loaded)
        elif len(loaded.labels) < 2:
            raise ModelFormatError(f"{loaded.info.name} has one label, so it tells none apart", "use starter/sst2")
        self._classes = label_classes(question.task, loaded.labels)
        wanted = Columns(question.text, question.text_b, question.label)
        table = read_rows(Path(question.path), wanted, texts=1 + pairs, limit=question.limit, check=self._complaint)
        self.rows, self.broken, self.columns = table.rows, table.broken, table.columns
        self.note = "" if question.text else _half_read(table)
        self._gold = np.array([self._classes[_plain(row.label)] for row in self.rows])
        texts = ([row.texts[place] for row in self.rows] for place in range(1 + pairs))
        self._encoded, self.truncated = tokenise(desk, loaded, *texts)
        self.costs = [len(ids) for ids in self._encoded["input_ids"]]
        size = question.batch_size if can_pad(loaded) else 1
        self.batches = split_batches(self.costs, size, encoder_budget(loaded))

    def compute(self, batch: Sequence[int]) -> Values:
        """The logits of each row."""
        with torch.inference_mode():
            logits = self._loaded.model(**padded(self._loaded, self._encoded, batch)).logits.float().cpu()  # (B, C)
        check_numbers(logits, self._loaded.info.dtype)
        found: Values = logits.tolist()
        return found

    def tally(self, batch: Sequence[int], values: Values) -> tuple[int, int]:
        """Rows whose likeliest label is theirs, of all."""
        return int((np.argmax(values, axis=1) == self._gold[list(batch)]).sum()), len(batch)

    def conclude(self, values: Values, run: EvaluationRun, mistakes: int) -> ClassifierEvaluation:
        """Judge the predictions."""
        labels = self._loaded.labels
        positive = positive_label(self._task, labels)
        probabilities = _softmax(values)
        predicted = probabilities.argmax(1)
        confidence, rows = probabilities.max(1), np.arange(len(values))
        scores = score_classes(self._gold, predicted, labels, positive)
        error, bins = calibrate(confidence, predicted == self._gold)
        log_probabilities = torch.tensor(values, dtype=torch.float64).log_softmax(-1).numpy()
        worst = [index for index in np.argsort(-confidence, kind="stable") if predicted[index] != self._gold[index]]
        return ClassifierEvaluation(
            run=run,
            accuracy=scores.accuracy,
            f1=scores.f1,
            precision=scores.precision,
            recall=scores.recall,
            average=scores.average,
            positive=labels[positive] if len(labels) == 2 else "",
            loss=float(-log_probabilities[rows, self._gold].mean()),
            calibration_error=error,
            classes=scores.classes,
            confusion=scores.confusion,
            bins=bins,
            mistakes=tuple(self._mistake(index, probabilities[index]) for index in worst[:mistakes]),
        )

    def predictions(self, values: Values) -> Iterator[tuple[object, ...]]:
        """Line, texts, label, predicted label, whether it is right, each label's probability."""
        labels = self._loaded.labels
        texts = ("text", "text_b")[: len(self.rows[0].texts)]
        yield ("line", *texts, "label", "predicted", "right", *(f"p({label})" for label in labels))
        for row, gold, probabilities in zip(self.rows, self._gold, _softmax(values), strict=True):
            predicted = int(probabilities.argmax())
            right = int(predicted == gold)
            yield (row.line, *row.texts, labels[gold], labels[predicted], right, *probabilities.tolist())

    def _complaint(self, row: Row) -> str:
        if _plain(row.label) in self._classes:
            return ""
        labels, last = self._loaded.labels, len(self._loaded.labels) - 1
        if _DEGREE.fullmatch(row.label):
            return f"{row.label!r} is a score, not a label; the model has {', '.join(labels[:8])} (0-{last})"
        return f"unknown label {row.label[:40]!r}; the model has {', '.join(labels[:8])} (0-{last})"

    def _mistake(self, index: int, probabilities: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Mistake:
        row, gold, predicted = self.rows[index], int(self._gold[index]), int(probabilities.argmax())
        labels, texts = self._loaded.labels, tuple(map(shorten, row.texts))
        chances = (float(probabilities[predicted]), float(probabilities[gold]))
        return Mistake(row.line, texts, labels[gold], labels[predicted], *chances)


def _softmax(values: Values) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(N, C) probabilities."""
    found: np.ndarray[tuple[int, int], np.dtype[np.float64]] = (
        torch.tensor(values, dtype=torch.float64).softmax(-1).numpy()
    )
    return found


def _half_read(table: Table) -> str:
    """What to know of a table of pairs when only the first texts are read."""
    if not table.second_text:
        return ""
    return f"2 text columns, only {table.columns.text} is read; for pairs use eval similar"


def _plain(label: str) -> str:
    return " ".join(label.lower().replace("_", " ").replace("-", " ").split())
