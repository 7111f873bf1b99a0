"""Live distillation: half of a teacher's layers learn from it on a little text, measured as they go.

Source: Sanh et al. 2019, "DistilBERT". Invariant: a run that was stopped and went on ends with the same weights as one
that was not (same machine, same number of threads).
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch

from core.engine.lab.desk import Desk, Task, Tasks
from core.engine.lab.distillation.card import card
from core.engine.lab.distillation.checkpoint import drop_checkpoint, read_checkpoint, save_checkpoint
from core.engine.lab.distillation.model import Distiller, Pieces, cut
from core.engine.lab.finetuning.folder import ModelFolder
from core.engine.lab.students import task_of
from core.engine.networks.device import pick_device
from core.engine.networks.encoder_models import auto_class, load_tokenizer
from core.engine.networks.halving import halve, kept_layers
from core.engine.networks.head import Head
from core.engine.networks.loading import from_pretrained
from core.errors import EngineError, InputError, ModelFormatError, SettingError
from core.lab.distillation import Distil, Distilled, DistilMeasured, DistilPaused, DistilStarted, DistilStep
from core.lab.students import StudentTask
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
CHECKPOINT_EVERY_S = 120.0

Part: TypeAlias = DistilStarted | DistilStep | DistilMeasured | DistilPaused | Distilled


def distil(desk: Desk, question: Distil) -> Iterator[Part]:
    """Let a student learn from its teacher.

    Raises:
        InputError: the text is too short, the folder cannot be used, or there is no run to go on with.
        SettingError: the stopped run had other settings.
        EngineError: the teacher cannot be had or halved, training broke, or a file cannot be written.
    """
    folder = _folder(question)
    state = read_checkpoint() if question.resume else None
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
    run = _Run(desk, question, distiller, _settings(question, resolved, text, tokenizer))
    if state is not None:
        run.restore(state)
    desk.progress("ready", 1.0)
    yield _started(run, resolved.name, teacher, (learn, held_out), tokens)
    yield from run.train()
    if run.is_stopped:
        yield DistilPaused(distiller.step, question.steps, run.save())
        return
    done = run.result(resolved.name, _size(teacher), str(folder.path) if folder else "")
    if folder is not None:
        _save_student(folder, distiller.student, tokenizer, card(question, done))
    if run.is_on_disk:
        drop_checkpoint()
    yield done


@dataclass(slots=True)
class _Run:
    """The steps of one process, and what earlier ones measured."""

    desk: Desk
    question: Distil
    distiller: Distiller
    settings: dict[str, Any]
    """What must be the same for a run to go on."""
    measured: list[DistilMeasured] = field(default_factory=list)
    seconds: float = 0.0
    is_stopped: bool = False
    is_on_disk: bool = False
    """Whether the checkpoint is one of this run."""

    def train(self) -> Iterator[DistilStep | DistilMeasured]:
        """Take steps until they are all taken or the user stops them."""
        yield from self.measured if self.measured else [self._measure()]
        saved = self.seconds
        while self.distiller.step < self.question.steps:
            if self.desk.should_stop():
                self.is_stopped = True
                return
            yield self._take_step()
            if self.distiller.step % MEASURE_EVERY == 0 or self.distiller.step == self.question.steps:
                yield self._measure()
            if self.seconds - saved > CHECKPOINT_EVERY_S:
                self.save()
                saved = self.seconds
            self.desk.between()
        if self.measured[-1].step != self.distiller.step:  # it went on with fewer steps than it had taken
            yield self._measure()

    def save(self) -> str:
        """Keep what a later run needs to go on; returns the file, or nothing where nothing was learnt."""
        if self.distiller.step == 0:
            return ""
        measured = [(one.step, one.kl, one.agreement) for one in self.measured]
        path = save_checkpoint(
            {"settings": self.settings, "measured": measured, "seconds": self.seconds, **self.distiller.state()}
        )
        self.is_on_disk = True
        return str(path)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            SettingError: it is one of another run.
        """
        differ = [name for name, value in self.settings.items() if state["settings"].get(name) != value]
        if differ:
            raise SettingError(
                f"the stopped run had another {', '.join(differ)}", "give the same settings, or start a new run"
            )
        self.distiller.restore(state)
        self.measured = [DistilMeasured(*one) for one in state["measured"]]
        self.seconds = state["seconds"]
        self.is_on_disk = True

    def result(self, teacher: str, teacher_parameters: int, folder: str) -> Distilled:
        """What came of it."""
        first, last = self.measured[0], self.measured[-1]
        return Distilled(
            teacher=teacher,
            step=self.distiller.step,
            kl_before=first.kl,
            kl=last.kl,
            agreement_before=first.agreement,
            agreement=last.agreement,
            teacher_parameters=teacher_parameters,
            student_parameters=_size(self.distiller.student),
            seconds=self.seconds,
            folder=folder,
        )

    def _take_step(self) -> DistilStep:
        began = time.perf_counter()
        losses = self.distiller.take_step()
        seconds = time.perf_counter() - began
        self.seconds += seconds
        if not math.isfinite(losses.total):
            raise EngineError(
                f"training broke at step {self.distiller.step}: the loss is no number any more",
                "use a lower learning rate, such as 1e-4",
            )
        parts = (losses.total, losses.soft, losses.hard, losses.cosine)
        return DistilStep(self.distiller.step, self.question.steps, *parts, seconds)

    def _measure(self) -> DistilMeasured:
        began = time.perf_counter()
        self.measured.append(DistilMeasured(self.distiller.step, *self.distiller.measure()))
        self.seconds += time.perf_counter() - began
        return self.measured[-1]


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
    if task_of(name) is not StudentTask.MASKED_LM:
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
        step=run.distiller.step,
        steps=run.question.steps,
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


def _save_student(folder: ModelFolder, student: Any, tokenizer: Any, readme: str) -> None:
    def write(path: Path) -> None:
        student.save_pretrained(path)
        (path / "model.safetensors").chmod(0o644)  # the library makes it readable to its owner alone
        tokenizer.model_input_names = ["input_ids", "attention_mask"]  # a DistilBERT reads no sentence numbers
        tokenizer.save_pretrained(path)
        (path / "README.md").write_text(readme, encoding="utf-8")

    folder.prepare(resume=False)
    folder.save_model(write)


def _size(model: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


TASKS: Tasks = {Distil: Task(distil)}
