"""Fine-tuning: an encoder with a new head learns one's own labels, and becomes a model folder.

Source: Devlin et al. 2019, "BERT", sections 3.2 and 4.1: a linear layer on [CLS], all weights trained, AdamW with a
warm-up and a linear decay. Invariant: a run that was interrupted and went on ends with the same weights as one that
was not (same machine, same number of threads).
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor

from core.engine.lab.desk import Desk, Task, Tasks
from core.engine.lab.finetuning.card import card
from core.engine.lab.finetuning.folder import ModelFolder
from core.engine.lab.finetuning.model import Classifier, Figures, choose_precision, load_trainable
from core.engine.lab.finetuning.rows import (
    MAX_TOKENS,
    EncodedRows,
    LabelledRows,
    encode_rows,
    epoch_batches,
    hold_out,
    read_labelled,
)
from core.engine.networks.device import pick_device
from core.engine.networks.encoder_models import positions
from core.errors import InputError, SettingError
from core.lab.finetuning import (
    Finetune,
    Finetuned,
    FinetuneMeasured,
    FinetunePaused,
    FinetuneStarted,
    FinetuneStep,
    SkippedRow,
)
from core.models.registry import read_config, resolve

CHECKPOINT_EVERY_S = 60.0
CHECKPOINT_SHARE = 0.05
"""Of the time, spent on checkpoints at most: a large model is saved less often."""

SKIPPED_SHOWN = 20
_SEEDS_APART = 1_000_003

Part: TypeAlias = FinetuneStarted | FinetuneStep | FinetuneMeasured | FinetunePaused | Finetuned


@dataclass(slots=True)
class _Course:
    """How far a run has come."""

    step: int = 0
    measured: list[FinetuneMeasured] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    """Spent by earlier processes."""

    @property
    def best(self) -> FinetuneMeasured | None:
        """The measurement of the state that is kept."""
        return next((one for one in reversed(self.measured) if one.best), None)

    @property
    def is_measured(self) -> bool:
        """Whether the held-out rows were measured at this step."""
        return bool(self.measured) and self.measured[-1].step == self.step

    def without_progress(self) -> int:
        """How many measurements ago the best one was."""
        return next((ago for ago, one in enumerate(reversed(self.measured)) if one.best), 0)


def finetune(desk: Desk, question: Finetune) -> Generator[Part, None, None]:
    """Train a classifier on the rows of a file, and save it.

    Raises:
        InputError: the file's rows, or the folder for the model, cannot be used.
        SettingError: the checkpoint belongs to a run with other settings.
        EngineError: the model cannot be had, training broke, or a file cannot be written.
    """
    folder = ModelFolder.of(question.out, resume=question.resume, overwrite=question.overwrite)
    desk.progress("reading the rows", 0.0)
    resolved, device = resolve(question.model), pick_device(desk.target.device)
    labelled = read_labelled(question)
    learnt, held = hold_out(labelled, question.held_out, question.seed)
    desk.progress("loading the encoder", 0.3)
    model, tokenizer = load_trainable(resolved, labelled.names, question.seed, device)
    desk.progress("reading the tokens", 0.8)
    rows = encode_rows(labelled, tokenizer, min(MAX_TOKENS, positions(read_config(resolved))))
    steps = question.epochs * math.ceil(len(learnt) / question.batch_size)
    classifier = Classifier(model, rows, "float32", question.learning_rate, steps)
    course = _restored(folder, question, classifier, rows) if question.resume else _Course()
    if not question.resume:
        longest_first = sorted(learnt, key=lambda row: -len(rows.ids[row]))
        typical = longest_first[len(learnt) // 2 :][: question.batch_size]
        classifier.precision = choose_precision(classifier, desk.target.dtype, typical)
    folder.prepare(resume=question.resume)
    desk.progress("ready", 1.0)
    run = _Run(desk, question, folder, classifier, course, rows, learnt, held, steps)
    started = _started(resolved.name, labelled, run)
    try:
        yield started
        yield from course.measured
        yield from run.train()
        if run.is_paused:
            folder.save_checkpoint(run.state())
            yield FinetunePaused(question.out, course.step, steps)
        else:
            done = _finetuned(started, run)
            _save(run, tokenizer, card(question, started, done, course.measured, desk.target.dtype))
            yield done
    finally:
        folder.discard_if_empty()


@dataclass(slots=True)
class _Run:
    """The steps of one process."""

    desk: Desk
    question: Finetune
    folder: ModelFolder
    classifier: Classifier
    course: _Course
    rows: EncodedRows
    learnt: list[int]
    """Indices of the rows to learn from."""
    held: list[int]
    steps: int
    is_paused: bool = False
    stopped_early: bool = False
    began: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Spent on the whole run."""
        return self.course.seconds + time.perf_counter() - self.began

    def train(self) -> Iterator[FinetuneStep | FinetuneMeasured]:
        """Take steps until they are all taken, nothing gets better any more, or the user stops it."""
        course, question = self.course, self.question
        per_epoch = self.steps // question.epochs
        measure_every = max(1, per_epoch // 2)
        first_step, saved_at, pause_s = course.step, time.perf_counter(), CHECKPOINT_EVERY_S
        batches: list[list[int]] = []
        while self._may_go_on():
            if (course.step % measure_every == 0 or course.step == self.steps) and not course.is_measured:
                figures = self.classifier.measure(self.held, self._may_go_on)
                if figures is None:
                    break
                yield self._note(figures)
            self.stopped_early = course.step < self.steps and course.without_progress() >= question.patience
            if self.stopped_early or course.step == self.steps:
                return
            epoch, place = divmod(course.step, per_epoch)
            if place == 0 or not batches:
                lengths, seed = [len(ids) for ids in self.rows.ids], question.seed * _SEEDS_APART + epoch
                batches = epoch_batches(lengths, self.learnt, question.batch_size, seed)
            seed = question.seed * _SEEDS_APART + course.step
            loss = self.classifier.take_step(course.step, batches[place], seed, self._may_go_on)
            if loss is None:
                break
            course.step += 1
            step_s = (time.perf_counter() - self.began) / (course.step - first_step)
            yield FinetuneStep(course.step, self.steps, epoch + 1, loss, step_s * (self.steps - course.step))
            if time.perf_counter() - saved_at > pause_s:
                before = time.perf_counter()
                self.folder.save_checkpoint(self.state())
                saved_at = time.perf_counter()
                pause_s = max(CHECKPOINT_EVERY_S, (saved_at - before) / CHECKPOINT_SHARE)
        self.is_paused = True

    def state(self) -> dict[str, Any]:
        """Everything a later process needs to go on."""
        return {
            **self.classifier.state(),
            "step": self.course.step,
            "measured": [asdict(one) for one in self.course.measured],
            "best_weights": self.course.best_weights,
            "seconds": self.seconds,
            "precision": self.classifier.precision,
            "settings": _settings(self.question),
            "rows": self.rows.fingerprint(),
        }

    def _note(self, figures: Figures) -> FinetuneMeasured:
        """Take a measurement down, and keep the weights when they are the best; step 0 is only looked at."""
        best = self.course.best
        known = None if best is None else Figures(best.loss, best.accuracy, best.f1)
        is_best = self.course.step > 0 and figures.is_better_than(known)
        if is_best:
            self.course.best_weights = self.classifier.weights()
        measured = FinetuneMeasured(self.course.step, figures.loss, figures.accuracy, figures.f1, is_best)
        self.course.measured.append(measured)
        return measured

    def _may_go_on(self) -> bool:
        self.desk.between()
        return not self.desk.should_stop()


def _started(model: str, labelled: LabelledRows, run: _Run) -> FinetuneStarted:
    columns = (labelled.columns.text, labelled.columns.text_b, labelled.columns.label)
    return FinetuneStarted(
        model=model,
        task=run.question.task,
        columns=tuple(filter(None, columns)),
        labels=labelled.labels,
        rows=len(labelled.rows),
        held_out=len(run.held),
        truncated=run.rows.truncated,
        skipped=tuple(SkippedRow(row.line, row.reason) for row in labelled.broken[:SKIPPED_SHOWN]),
        skipped_rows=len(labelled.broken),
        steps=run.steps,
        step=run.course.step,
        device=str(run.classifier.model.device),
        precision=run.classifier.precision,
    )


def _finetuned(started: FinetuneStarted, run: _Run) -> Finetuned:
    """The figures of a run that came to its end."""
    best, classes = run.course.best, run.rows.classes
    assert best is not None
    commonest = Counter(classes[row] for row in run.learnt).most_common(1)[0][0]
    return Finetuned(
        folder=run.question.out,
        model=started.model,
        task=started.task,
        labels=tuple(label.label for label in started.labels),
        rows=started.rows,
        held_out=started.held_out,
        steps=run.course.step,
        best_step=best.step,
        stopped_early=run.stopped_early,
        held_out_loss=best.loss,
        held_out_accuracy=best.accuracy,
        held_out_f1=best.f1,
        majority_accuracy=sum(classes[row] == commonest for row in run.held) / len(run.held),
        seconds=run.seconds,
        rows_per_s=_rows_learnt(run) / max(run.seconds, 1e-9),
    )


def _save(run: _Run, tokenizer: Any, readme: str) -> None:
    """Save the best state of a run."""
    model = run.classifier.model.to("cpu")
    model.load_state_dict(run.course.best_weights)

    def write(target: Path) -> None:
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
        (target / "README.md").write_text(readme, encoding="utf-8")
        for file in target.iterdir():  # safetensors makes files that only their owner can read
            file.chmod((target / "README.md").stat().st_mode)

    run.desk.progress("saving the model", 0.5)
    run.folder.save_model(write)
    run.desk.shelf.forget(run.folder.path)
    run.desk.progress("saved", 1.0)


def _rows_learnt(run: _Run) -> int:
    """How many rows went through all steps, each epoch's last batch being shorter."""
    per_epoch = run.steps // run.question.epochs
    whole, rest = divmod(run.course.step, per_epoch)
    return whole * len(run.learnt) + min(rest * run.question.batch_size, len(run.learnt))


def _settings(question: Finetune) -> dict[str, Any]:
    """What must be the same for a run to go on, in plain values."""
    same = replace(question, path="", out="", resume=False, overwrite=False)
    return {**asdict(same), "task": question.task.value}


def _restored(folder: ModelFolder, question: Finetune, classifier: Classifier, rows: EncodedRows) -> _Course:
    """Bring a classifier to where the folder's checkpoint left off.

    Raises:
        SettingError: other settings were used.
        InputError: the file has other rows.
        ModelFormatError: the checkpoint cannot be read.
    """
    saved = folder.read_checkpoint()
    for name, value in _settings(question).items():
        if (before := saved["settings"].get(name)) != value:
            raise SettingError(
                f"the run in {question.out} was begun with {name} {before!r}, not {value!r}",
                "go on with the same settings, or start again with --overwrite",
            )
    if saved["rows"] != rows.fingerprint():
        raise InputError(
            f"the rows of {Path(question.path).name} are not those the run in {question.out} was begun with",
            "give the same file, or start again with --overwrite",
        )
    classifier.restore(saved)
    classifier.precision = saved["precision"]
    measured = [FinetuneMeasured(**one) for one in saved["measured"]]
    return _Course(saved["step"], measured, saved["best_weights"], saved["seconds"])


TASKS: Tasks = {Finetune: Task(finetune)}
