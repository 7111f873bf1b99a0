"""Live distillation: half of a teacher's layers learn from it on a little text, measured as they go.

Source: Sanh et al. 2019, "DistilBERT". Invariant: a run that was stopped and went on ends with the same weights as one
that was not (same machine, same number of threads).
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any, TypeAlias

import torch

from core.engine.lab.desk import Desk, LabTask, Tasks
from core.engine.lab.distillation.card import student_card
from core.engine.lab.distillation.model import Distiller, Pieces, cut
from core.engine.lab.students import student_task_of
from core.engine.lab.training.checkpoint import NOT_WRITTEN, Checkpoint, reason
from core.engine.lab.training.course import Course
from core.engine.lab.training.folder import ModelFolder
from core.engine.networks.device import pick_device
from core.engine.networks.encoder_models import auto_class, load_tokenizer
from core.engine.networks.halving import halve, kept_layers
from core.engine.networks.head import Head
from core.engine.networks.loading import from_pretrained
from core.errors import EngineError, InputError, ModelFormatError, SettingError
from core.lab.distillation import Distil, Distilled, DistilMeasured, DistilPaused, DistilStarted, DistilStep
from core.lab.students import StudentTask
from core.locations import state_folder
from core.models.provenance import provenance
from core.models.registry import STARTER_FOLDER, ResolvedModel, resolve, weight_files

BUNDLED_TEXT = STARTER_FOLDER / "distillation.txt"
"""Stories that the starter GPT-2 made up, 24 beginnings of eight each (temperature 0.8, top-p 0.95): nobody's text."""

BATCH_SIZE = 8
PIECE_TOKENS = 64
HELD_OUT_SHARE, MOST_HELD_OUT = 1 / 12, 16
LEAST_KNOWN = 8
"""Tokens of a piece that are not [UNK]; others teach nothing."""

MEASURE_EVERY = 10

Part: TypeAlias = DistilStarted | DistilStep | DistilMeasured | DistilPaused | Distilled


def distil(desk: Desk, question: Distil) -> Iterator[Part]:
    """Let a student learn from its teacher.

    Raises:
        InputError: the text is too short, the folder cannot be used, or there is no run to go on with.
        SettingError: the stopped run had other settings.
        EngineError: the teacher cannot be had or halved, training broke, or a file cannot be written.
    """
    folder = _folder(question)
    saved = _read_checkpoint() if question.resume else None
    resolved, teacher, tokenizer = _teacher(desk, question.teacher)
    text = question.text if question.text.strip() else BUNDLED_TEXT.read_text(encoding="utf-8")
    desk.progress("reading the text", 0.8)
    learn, held_out, tokens = _pieces(text, tokenizer, teacher.config.max_position_embeddings)
    desk.progress("halving the teacher", 0.9)
    distiller = Distiller(
        teacher,
        halve(teacher),
        learn,
        held_out,
        learning_rate=question.learning_rate,
        temperature=question.temperature,
        seed=question.seed,
        batch_size=BATCH_SIZE,
    )
    settings = _settings(question, resolved, text, tokenizer)
    run = _Run(desk=desk, settings=settings, steps=question.steps, measure_every=MEASURE_EVERY, distiller=distiller)
    if saved is not None:
        run.go_on(saved)
    desk.progress("ready", 1.0)
    yield _started(run, resolved.name, teacher, (learn, held_out), tokens)
    yield from run.train()
    if run.is_stopped:
        yield DistilPaused(run.step, run.steps, str(checkpoint().path) if run.step else "")
        return
    done = run.result(resolved.name, _size(teacher), str(folder.path) if folder else "")
    if folder is not None:
        tokenizer.model_input_names = ["input_ids", "attention_mask"]  # a DistilBERT reads no sentence numbers
        folder.prepare(resume=False)
        folder.save_model(distiller.student, tokenizer, student_card(question, done))
        desk.shelf.forget(folder.path)
    if run.is_on_disk:
        checkpoint().path.unlink(missing_ok=True)
    yield done


def checkpoint() -> Checkpoint:
    """Where a stopped run waits; there is one for all."""
    return Checkpoint(state_folder() / "distillation.pt")


@dataclass(slots=True, kw_only=True)
class _Run(Course[DistilStep, DistilMeasured]):
    """The course of a distillation."""

    distiller: Distiller
    is_on_disk: bool = False
    """Whether the checkpoint is one of this run."""

    def take_step(self) -> DistilStep:
        """Learn from one batch."""
        began = time.perf_counter()
        losses = self.distiller.take_step(self.step)
        seconds = time.perf_counter() - began
        self.step += 1
        if not math.isfinite(losses.total):
            raise EngineError(
                f"training broke at step {self.step}: the loss is no number any more",
                "use a lower learning rate, such as 1e-4",
            )
        return DistilStep(self.step, self.steps, losses.total, losses.soft, losses.hard, losses.cosine, seconds)

    def measure(self) -> DistilMeasured:
        """Compare the student with its teacher."""
        return DistilMeasured(self.step, *self.distiller.measure())

    def save(self) -> None:
        """Write the checkpoint, unless nothing was learnt yet.

        Raises:
            EngineError: it cannot be written; the old one is still there.
        """
        if self.step == 0:
            return
        file, measured = checkpoint(), [astuple(one) for one in self.measured]
        try:
            file.write({**self.state(), "measured": measured, **self.distiller.state()})
        except NOT_WRITTEN as error:
            raise EngineError(
                f"the checkpoint {file.path} cannot be written: {reason(error)}", "make room for it"
            ) from None
        self.is_on_disk = True

    def go_on(self, saved: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            SettingError: it is one of another run.
        """
        if differ := self.differing(saved):
            raise SettingError(
                f"the stopped run had another {', '.join(differ)}", "give the same settings, or start a new run"
            )
        self.restore(saved)
        self.distiller.restore(saved)
        self.measured = [DistilMeasured(*one) for one in saved["measured"]]
        self.is_on_disk = True

    def result(self, teacher: str, teacher_parameters: int, folder: str) -> Distilled:
        """What came of it."""
        first, last = self.measured[0], self.measured[-1]
        return Distilled(
            teacher=teacher,
            step=self.step,
            kl_before=first.kl,
            kl=last.kl,
            agreement_before=first.agreement,
            agreement=last.agreement,
            teacher_parameters=teacher_parameters,
            student_parameters=_size(self.distiller.student),
            seconds=self.seconds,
            folder=folder,
        )


def _read_checkpoint() -> dict[str, Any]:
    """What a stopped run left.

    Raises:
        InputError: there is none.
        ModelFormatError: it cannot be read.
    """
    file = checkpoint()
    if not file.path.exists():
        raise InputError("there is no stopped run to go on with", "start one first")
    saved = file.read("settings", "measured", "seconds", "step", "student", "optimizer")
    if saved is None:
        raise ModelFormatError(f"{file.path} is no checkpoint that can be read", "start a new run")
    return saved


def _folder(question: Distil) -> ModelFolder | None:
    """Where the student will go, seen to be writable now rather than at the end."""
    if not question.save_to:
        return None
    folder = ModelFolder.of(question.save_to, resume=False, overwrite=question.overwrite)
    folder.prepare(resume=False)
    folder.discard_if_empty()
    return folder


def _teacher(desk: Desk, name: str) -> tuple[ResolvedModel, Any, Any]:
    """The teacher with plain linear layers, in float32, and its tokenizer."""
    resolved = resolve(name)
    if student_task_of(name) is not StudentTask.MASKED_LM:
        raise ModelFormatError(f"{name} is a classifier, not a masked language model", "use starter/bert")
    weight_files(resolved)
    desk.progress("importing transformers", 0.1)
    loader = auto_class(Head.MASKED_LM)
    desk.progress("reading the weights", 0.5)
    teacher = from_pretrained(loader, resolved, pick_device(desk.target.device), "float32")
    tokenizer = load_tokenizer(resolved)
    if None in (tokenizer.mask_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id):
        raise ModelFormatError(f"the tokenizer of {name} lacks [MASK], [CLS] or [SEP]", "use starter/bert")
    return resolved, teacher.requires_grad_(False), tokenizer


def _pieces(text: str, tokenizer: Any, positions: int) -> tuple[Pieces, Pieces, int]:
    """What is learnt on, what is measured on, and how many tokens the text has."""
    length = min(PIECE_TOKENS, positions)
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    pieces = cut(ids, tokenizer, length, LEAST_KNOWN)
    count = len(pieces.ids)
    if count < 2:
        raise InputError(
            f"the text has {len(ids)} tokens and gives {count} usable pieces of {length}; learning takes two",
            "give a few paragraphs, or none at all for the bundled stories",
        )
    held = max(1, min(MOST_HELD_OUT, round(HELD_OUT_SHARE * count)))
    is_held = torch.zeros(count, dtype=torch.bool)
    is_held[torch.arange(held) * count // held + count // (2 * held)] = True
    return pieces.rows(~is_held), pieces.rows(is_held), len(ids)


def _started(run: _Run, name: str, teacher: Any, pieces: tuple[Pieces, Pieces], tokens: int) -> DistilStarted:
    learn, held_out = pieces
    return DistilStarted(
        teacher=name,
        teacher_parameters=_size(teacher),
        student_parameters=_size(run.distiller.student),
        teacher_layers=teacher.config.num_hidden_layers,
        kept_layers=kept_layers(teacher.config.num_hidden_layers),
        tokens=tokens,
        block_tokens=learn.ids.shape[1],
        blocks=len(learn.ids),
        held_out=len(held_out.ids),
        batch_size=BATCH_SIZE,
        step=run.step,
        steps=run.steps,
        device=str(run.distiller.student.device),
    )


def _settings(question: Distil, resolved: ResolvedModel, text: str, tokenizer: Any) -> dict[str, Any]:
    return {
        "teacher": provenance(resolved).weights,
        "vocabulary": len(tokenizer),
        "text": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        "learning rate": question.learning_rate,
        "temperature": question.temperature,
        "seed": question.seed,
    }


def _size(model: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


TASKS: Tasks = {Distil: LabTask(distil)}
