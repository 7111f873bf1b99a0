"""Fine-tuning: an encoder with a new head learns one's own labels, and becomes a model folder.

Source: Devlin et al. 2019, "BERT", sections 3.2 and 4.1: a linear layer on [CLS], all weights trained, AdamW with a
warm-up and a linear decay. Invariant: a run that was interrupted and went on ends with the same weights as one that
was not (same machine, same number of threads).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor

from core.engine.lab.desk import Desk, LabTask, Tasks
from core.engine.lab.finetuning.card import classifier_card
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
from core.engine.lab.training.course import Course, seed_at
from core.engine.lab.training.folder import ModelFolder
from core.engine.networks.device import pick_device
from core.engine.networks.encoder_models import positions
from core.errors import InputError, ModelFormatError, SettingError
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

SKIPPED_SHOWN = 20

_Part: TypeAlias = FinetuneStarted | FinetuneStep | FinetuneMeasured | FinetunePaused | Finetuned


def finetune(desk: Desk, question: Finetune) -> Generator[_Part, None, None]:
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
    if not question.resume:
        longest_first = sorted(learnt, key=lambda row: -len(rows.ids[row]))
        typical = longest_first[len(learnt) // 2 :][: question.batch_size]
        classifier.precision = choose_precision(classifier, desk.target.dtype, typical)
    run = _Run(
        desk=desk,
        settings=_settings(question),
        steps=steps,
        measure_every=max(1, steps // question.epochs // 2),
        question=question,
        folder=folder,
        classifier=classifier,
        rows=rows,
        learnt=learnt,
        held=held,
    )
    if question.resume:
        run.go_on()
    folder.prepare(resume=question.resume)
    desk.progress("ready", 1.0)
    started = _started(resolved.name, labelled, run)
    try:
        yield started
        yield from run.train()
        if run.is_stopped:
            yield FinetunePaused(question.out, run.step, steps)
        else:
            done = _finetuned(started, run)
            _save(run, tokenizer, classifier_card(question, started, done, run.measured, desk.target.dtype))
            yield done
    finally:
        folder.discard_if_empty()


@dataclass(slots=True, kw_only=True)
class _Run(Course[FinetuneStep, FinetuneMeasured]):
    """The course of a fine-tuning."""

    question: Finetune
    folder: ModelFolder
    classifier: Classifier
    rows: EncodedRows
    learnt: list[int]
    """Indices of the rows to learn from."""
    held: list[int]
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    _batches: list[list[int]] = field(default_factory=list)
    """Of the epoch."""

    @property
    def best(self) -> FinetuneMeasured | None:
        """The measurement of the state that is kept."""
        return next((one for one in reversed(self.measured) if one.best), None)

    def take_step(self) -> FinetuneStep | None:
        """Learn from one batch."""
        asked = self.question
        epoch, place = divmod(self.step, self.steps // asked.epochs)
        if place == 0 or not self._batches:
            lengths = [len(ids) for ids in self.rows.ids]
            self._batches = epoch_batches(lengths, self.learnt, asked.batch_size, seed_at(asked.seed, epoch))
        seed = seed_at(asked.seed, self.step)
        loss = self.classifier.take_step(self.step, self._batches[place], seed, self.may_go_on)
        if loss is None:
            return None
        self.step += 1
        return FinetuneStep(self.step, self.steps, epoch + 1, loss, self.seconds_left())

    def measure(self) -> FinetuneMeasured | None:
        """Measure on the held-out rows, and keep the weights when they are the best; step 0 is only looked at."""
        figures = self.classifier.measure(self.held, self.may_go_on)
        if figures is None:
            return None
        best = self.best
        known = None if best is None else Figures(best.loss, best.accuracy, best.f1)
        is_best = self.step > 0 and figures.is_better_than(known)
        if is_best:
            self.best_weights = self.classifier.weights()
        return FinetuneMeasured(self.step, figures.loss, figures.accuracy, figures.f1, is_best)

    def ends_early(self) -> bool:
        """Return True after so many measurements without a better one."""
        without = next((ago for ago, one in enumerate(reversed(self.measured)) if one.best), 0)
        return without >= self.question.patience

    def save(self) -> None:
        """Write the checkpoint."""
        own = {
            "measured": [asdict(one) for one in self.measured],
            "best_weights": self.best_weights,
            "precision": self.classifier.precision,
            "rows": self.rows.fingerprint(),
        }
        self.folder.save_checkpoint({**self.classifier.state(), **self.state(), **own})

    def go_on(self) -> None:
        """Go on from the folder's checkpoint.

        Raises:
            SettingError: other settings were used.
            InputError: the file has other rows.
            ModelFormatError: the checkpoint cannot be read.
        """
        file, out = self.folder.checkpoint, self.question.out
        saved = file.read(
            *("settings", "rows", "step", "seconds", "measured", "best_weights", "precision", "model", "optimizer")
        )
        if saved is None:
            raise ModelFormatError(f"{file.path} cannot be read", "start again with --overwrite")
        if differ := self.differing(saved):
            before, now = saved["settings"].get(differ[0]), self.settings[differ[0]]
            raise SettingError(
                f"the run in {out} was begun with {differ[0]} {before!r}, not {now!r}",
                "go on with the same settings, or start again with --overwrite",
            )
        if saved["rows"] != self.rows.fingerprint():
            raise InputError(
                f"the rows of {Path(self.question.path).name} are not those the run in {out} was begun with",
                "give the same file, or start again with --overwrite",
            )
        self.restore(saved)
        self.classifier.restore(saved)
        self.classifier.precision = saved["precision"]
        self.measured = [FinetuneMeasured(**one) for one in saved["measured"]]
        self.best_weights = saved["best_weights"]


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
        step=run.step,
        device=str(run.classifier.model.device),
        precision=run.classifier.precision,
    )


def _finetuned(started: FinetuneStarted, run: _Run) -> Finetuned:
    """The figures of a run that came to its end."""
    best, classes = run.best, run.rows.classes
    assert best is not None
    commonest = Counter(classes[row] for row in run.learnt).most_common(1)[0][0]
    return Finetuned(
        folder=run.question.out,
        model=started.model,
        task=started.task,
        labels=tuple(label.label for label in started.labels),
        rows=started.rows,
        held_out=started.held_out,
        steps=run.step,
        best_step=best.step,
        stopped_early=run.step < run.steps,
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
    model.load_state_dict(run.best_weights)
    run.desk.progress("saving the model", 0.5)
    run.folder.save_model(model, tokenizer, readme)
    run.desk.shelf.forget(run.folder.path)
    run.desk.progress("saved", 1.0)


def _rows_learnt(run: _Run) -> int:
    """How many rows went through all steps, each epoch's last batch being shorter."""
    per_epoch = run.steps // run.question.epochs
    whole, rest = divmod(run.step, per_epoch)
    return whole * len(run.learnt) + min(rest * run.question.batch_size, len(run.learnt))


def _settings(question: Finetune) -> dict[str, Any]:
    """What must be the same for a run to go on, in plain values."""
    same = replace(question, path="", out="", resume=False, overwrite=False)
    return {**asdict(same), "task": question.task.value}


TASKS: Tasks = {Finetune: LabTask(finetune)}
