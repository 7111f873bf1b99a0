"""How good is a model on a file? The rows go through it in batches, and what was found survives a kill.

Every batch's numbers are kept in a journal in the user's state folder; the same question asked again goes on from
there. The journal's name says everything that decides the result: the task, the settings, the model's files by name,
size and time, the device and precision, and the content of the file. It goes once the evaluation is complete.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import assert_never

from core.engine.lab.desk import Desk, LabTask, Tasks
from core.engine.lab.evaluation.causal import CausalWork
from core.engine.lab.evaluation.classifier import ClassifierWork
from core.engine.lab.evaluation.journal import Journal, Values, digest, file_digest
from core.engine.lab.evaluation.masked import MaskedWork
from core.engine.lab.evaluation.work import Conclusion, EvaluationWork, StoppedError, column_names
from core.engine.networks.head import Head
from core.errors import EngineError, InputError
from core.lab.evaluation import Evaluate, EvaluationProgress, EvaluationRun, EvaluationTask, RowsSkipped
from core.locations import evaluations_folder
from core.messages.records import ModelInfo
from core.models.registry import resolve, weight_files

_JOURNAL_VERSION = "1"
"""To be raised when the numbers of a batch mean something else."""

_ROWS_A_MESSAGE = 1000

_MODEL_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt")
"""What decides a model's answers beside its weights."""

_NO_PART = ("mistakes", "csv", "fresh", "path", "model")
"""Settings that do not decide the predictions, or are looked at more closely."""


def evaluate(desk: Desk, question: Evaluate) -> Iterator[RowsSkipped | EvaluationProgress | Conclusion]:
    """Judge a model on a file.

    Raises:
        InputError: the file has no usable row, or a column is missing.
        EngineError: the file cannot be read, the predictions cannot be written, or the model cannot be had.
    """
    _check_output(question)
    info, prepare = _load(desk, question)
    began = time.perf_counter()
    try:
        work = prepare()
    except StoppedError:
        return
    for start in range(0, len(work.broken), _ROWS_A_MESSAGE):
        yield RowsSkipped(tuple(work.broken[start : start + _ROWS_A_MESSAGE]))
    name = _journal_name(question, info)
    journal = Journal(evaluations_folder() / f"{name}.jsonl", fresh=question.fresh)
    try:
        found = dict(_known(work, journal))
        resumed = sum(len(work.batches[number]) for number in found)
        yield from _compute(desk, work, journal, found)
        if len(found) < len(work.batches):
            return
        values = _in_order(work, found)
        run = _run(question, work, info, time.perf_counter() - began, resumed, _notes(work, journal))
        answer = work.conclude(values, run, question.mistakes)
        if question.csv:
            _write_predictions(Path(question.csv), work, values)
        yield answer
        journal.remove()
    finally:
        journal.close()


def _load(desk: Desk, question: Evaluate) -> tuple[ModelInfo, Callable[[], EvaluationWork]]:
    """What is known of the model, and what reads the file for it."""
    match question.task:
        case EvaluationTask.SIMILAR | EvaluationTask.SENTIMENT:
            classifier = desk.encoder(Head.CLASSIFIER, question.model)
            return classifier.info, lambda: ClassifierWork(desk, question, classifier)
        case EvaluationTask.FILL:
            masked = desk.encoder(Head.MASKED_LM, question.model)
            return masked.info, lambda: MaskedWork(desk, question, masked)
        case EvaluationTask.LM:
            causal = desk.causal(question.model)
            return causal.info, lambda: CausalWork(desk, question, causal)
    assert_never(question.task)


def _known(work: EvaluationWork, journal: Journal) -> Iterator[tuple[int, Values]]:
    """The batches that an earlier run left."""
    for number, batch in enumerate(work.batches):
        values = journal.batches.get(number, [])
        if len(values) == len(batch):
            yield number, values


def _compute(
    desk: Desk, work: EvaluationWork, journal: Journal, found: dict[int, Values]
) -> Iterator[EvaluationProgress]:
    """Compute the batches that are not `found` into it, until all are or the question is cancelled."""
    total, tokens = sum(map(len, work.batches)), sum(work.costs)
    done = known = sum(sum(work.costs[index] for index in work.batches[number]) for number in found)
    rows = sum(len(work.batches[number]) for number in found)
    tallies = [work.tally(work.batches[number], values) for number, values in found.items()]
    right, counted = (sum(column) for column in zip(*tallies, strict=True)) if tallies else (0, 0)
    began = time.perf_counter()
    for number, batch in enumerate(work.batches):
        if number in found:
            continue
        desk.between()
        if desk.should_stop():
            return
        found[number] = work.compute(batch)
        journal.add(number, found[number])
        hits, of = work.tally(batch, found[number])
        right, counted, rows = right + hits, counted + of, rows + len(batch)
        done += sum(work.costs[index] for index in batch)
        left_s = (time.perf_counter() - began) / (done - known) * (tokens - done)
        desk.progress(f"{rows:,}/{total:,}, {_duration(left_s)} left,", done / tokens)
        yield EvaluationProgress(rows, total, done / tokens, right / max(counted, 1), left_s)


def _duration(seconds: float) -> str:
    """A time in words, as exact as is of use."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _in_order(work: EvaluationWork, found: dict[int, Values]) -> Values:
    """The numbers of every item, by its index."""
    values: Values = [[] for _ in work.costs]
    for number, batch in enumerate(work.batches):
        for index, item in zip(batch, found[number], strict=True):
            values[index] = item
    return values


def _run(
    question: Evaluate, work: EvaluationWork, info: ModelInfo, seconds: float, resumed: int, note: str
) -> EvaluationRun:
    return EvaluationRun(
        task=question.task,
        model=info.name,
        path=question.path,
        columns=column_names(work.columns),
        n=len(work.rows),
        seconds=seconds,
        skipped=len(work.broken),
        resumed=resumed,
        truncated=work.truncated,
        note=note,
    )


def _notes(work: EvaluationWork, journal: Journal) -> str:
    return "; ".join(note for note in (work.note, journal.problem) if note)


def _journal_name(question: Evaluate, info: ModelInfo) -> str:
    resolved = resolve(question.model)
    beside = [resolved.folder / name for name in _MODEL_FILES]
    files = [*weight_files(resolved), *(path for path in beside if path.is_file())]
    known = [(path, path.stat()) for path in files]
    model = [f"{path.name} {about.st_size} {about.st_mtime_ns}" for path, about in known]
    settings = [f"{name}={value}" for name, value in asdict(question).items() if name not in _NO_PART]
    try:
        content = file_digest(Path(question.path))
    except OSError as error:
        raise EngineError(f"{question.path} cannot be read: {error.strerror}", "check its permissions") from None
    return digest(_JOURNAL_VERSION, info.device, info.dtype, *model, *settings, content)


def _check_output(question: Evaluate) -> None:
    """Refuse a place for the predictions before the work is done."""
    if not question.csv:
        return
    path = Path(question.csv)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written", "give a file in a folder that is there and yours")
    if path.exists() and path.samefile(question.path):
        raise InputError(f"{path} is the file that is evaluated", "write the predictions to another one")


def _write_predictions(path: Path, work: EvaluationWork, values: Values) -> None:
    """Every prediction as CSV; the file is there whole, or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(work.predictions(values))
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise EngineError(
            f"{path} cannot be written: {error.strerror}", "free some space, or write elsewhere"
        ) from None


TASKS: Tasks = {Evaluate: LabTask(evaluate)}
