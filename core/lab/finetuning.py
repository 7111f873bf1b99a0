"""Fine-tuning an encoder on one's own labels: [CLS] and the labels become a task."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.errors import SettingError
from core.lab.records import Answer, Question


class FinetuneTask(StrEnum):
    """What a row of the file is."""

    SENTIMENT = "sentiment"
    """One text and its label."""
    SIMILAR = "similar"
    """Two texts and their label."""


@dataclass(frozen=True, slots=True)
class Finetune(Question):
    """Train a classifier on a file of labelled texts.

    Answered by `FinetuneStep` and `FinetuneMeasured` as they come; last, `Finetuned`, or `FinetunePaused` when it was
    stopped.
    """

    model: str
    """The encoder to start from; a classifier starts with the head it has when it has as many labels."""
    path: str
    """The file: TSV, CSV or JSONL."""
    task: FinetuneTask
    out: str
    """The folder the model goes to."""
    text: str = ""
    """The column of the text; empty is found by itself, as are the next two."""
    text_b: str = ""
    """The column of the second text, of a pair."""
    label: str = ""
    epochs: int = 3
    """How often each row is seen, at most."""
    batch_size: int = 32
    """Rows a step."""
    learning_rate: float = 1e-4
    """Peak of the encoder's rate; the head learns ten times as fast."""
    held_out: float = 0.1
    """Share of the rows that is measured on instead of learnt, the same of each label, 0-0.5."""
    patience: int = 4
    """Measurements without a better one after which training ends; there are two an epoch."""
    seed: int = 0
    """Of the head's first weights and of every draw."""
    limit: int = 0
    """Use so many rows, drawn at random; 0 is all."""
    resume: bool = False
    """Go on from the checkpoint in `out`."""
    overwrite: bool = False
    """Replace the model or the checkpoint in `out`."""

    def __post_init__(self) -> None:
        _check("epochs", self.epochs, 1, 1000)
        _check("batch_size", self.batch_size, 1, 1024)
        _check("patience", self.patience, 1, 1000)
        _check("limit", self.limit, 0, 10**9)
        _check("seed", self.seed, 0, 2**31 - 1)
        if not 0 < self.learning_rate <= 1:
            raise SettingError(f"learning_rate must be in (0, 1], got {self.learning_rate:g}", "try 1e-4")
        if not 0 < self.held_out <= 0.5:
            raise SettingError(f"held_out must be in (0, 0.5], got {self.held_out:g}", "0.1 holds out a tenth")


@dataclass(frozen=True, slots=True)
class FinetuneStep(Answer):
    """One batch was learnt."""

    step: int
    """From 1."""
    steps: int
    """Of the whole run, unless it ends early."""
    epoch: int
    """From 1."""
    loss: float
    """Mean cross-entropy of the batch before the step, nats."""
    seconds_left: float
    """Until the last step, as the steps of this process went; measurements included."""


@dataclass(frozen=True, slots=True)
class FinetuneMeasured(Answer):
    """The held-out rows were measured."""

    step: int
    loss: float
    """Mean cross-entropy, nats."""
    accuracy: float
    """0-1."""
    f1: float
    """Of the second label when there are two, else the mean over the labels; 0-1."""
    best: bool
    """Whether this is the state that will be kept, so far."""


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row of the file that cannot be used."""

    line: int
    """1-based, in the file."""
    reason: str


@dataclass(frozen=True, slots=True)
class LabelCount:
    """A label and how many rows have it."""

    label: str
    """As the model names it."""
    written: str
    """As the file writes it."""
    rows: int


@dataclass(frozen=True, slots=True)
class FinetuneStarted(Answer):
    """What will be trained, on what."""

    model: str
    task: FinetuneTask
    columns: tuple[str, ...]
    """The columns of the texts and of the label."""
    labels: tuple[LabelCount, ...]
    """By class."""
    rows: int
    """Usable rows, those held out included."""
    held_out: int
    """How many of them are held out."""
    truncated: int
    """How many were cut to the tokens that are read at once."""
    skipped: tuple[SkippedRow, ...]
    """The first few rows that cannot be used."""
    skipped_rows: int
    """How many there are in all."""
    steps: int
    step: int
    """Steps already taken, of a run that goes on."""
    device: str
    precision: str
    """bfloat16 is autocast; the weights are float32."""


@dataclass(frozen=True, slots=True)
class FinetunePaused(Answer):
    """Training was stopped, and can go on."""

    folder: str
    """Where the checkpoint is, as the question named it."""
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class Finetuned(Answer):
    """The model is finished."""

    folder: str
    """An ordinary Hugging Face folder, as the question named it."""
    model: str
    """What it started from."""
    task: FinetuneTask
    labels: tuple[str, ...]
    rows: int
    """Usable rows, those held out included."""
    held_out: int
    steps: int
    """Steps taken."""
    best_step: int
    """The step whose state was kept."""
    stopped_early: bool
    held_out_loss: float
    held_out_accuracy: float
    held_out_f1: float
    majority_accuracy: float
    """What always saying the commonest label would reach on the held-out rows, 0-1."""
    seconds: float
    """Spent training, earlier parts of a run that went on included."""
    rows_per_s: float
    """Rows learnt a second, measurements included."""


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise SettingError(f"{name} must be in [{low}, {high}], got {value}", "choose a value in this range")
