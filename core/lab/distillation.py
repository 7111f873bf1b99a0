"""Live distillation: a student of half the layers learns from its teacher while one watches."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import SettingError
from core.lab.records import Answer, Question
from core.lab.students import check_temperature

MAX_STEPS = 100_000


@dataclass(frozen=True, slots=True)
class Distil(Question):
    """Make a student of every other layer of the teacher and let it learn.

    Answered by `DistilStarted`, `DistilMeasured` before the first step and every few steps, `DistilStep` each step,
    and last `Distilled`, or `DistilPaused` when it was stopped.
    """

    teacher: str
    """A masked language model of BERT's architecture."""
    text: str = ""
    """What is learnt on; empty is the bundled text."""
    steps: int = 60
    learning_rate: float = 2e-4
    """Reached after the first few steps, then constant."""
    temperature: float = 2.0
    """Of the soft labels."""
    seed: int = 0
    """Of every draw: which text, which tokens are hidden."""
    save_to: str = ""
    """A folder to be made for the finished student; empty saves nothing."""
    resume: bool = False
    """Go on from the checkpoint that the last stopped run left; that run's settings, but for the steps."""
    overwrite: bool = False
    """Replace the model that `save_to` may hold."""

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        if not 1 <= self.steps <= MAX_STEPS:
            raise SettingError(f"steps must be in [1, {MAX_STEPS}], got {self.steps}", "60 are a first look")
        if not 0 < self.learning_rate <= 1:
            raise SettingError(f"learning_rate must be in (0, 1], got {self.learning_rate:g}", "try 2e-4")


@dataclass(frozen=True, slots=True)
class DistilStarted(Answer):
    """Who learns from whom, on what."""

    teacher: str
    teacher_parameters: int
    student_parameters: int
    teacher_layers: int
    kept_layers: tuple[int, ...]
    """The teacher's layers that the student starts from, 0-based."""
    tokens: int
    """Of the text."""
    block_tokens: int
    """How long each piece that is read is."""
    blocks: int
    """Pieces to learn from."""
    held_out: int
    """Pieces that are only measured on."""
    batch_size: int
    """Pieces a step."""
    step: int
    """Steps already taken, of a run that goes on."""
    steps: int
    device: str


@dataclass(frozen=True, slots=True)
class DistilStep(Answer):
    """One batch was learnt; the losses are those before the step."""

    step: int
    """From 1."""
    steps: int
    loss: float
    """The weighted mean of the three below."""
    soft: float
    """KL(teacher ‖ student) at the temperature, times its square; nats."""
    hard: float
    """Cross-entropy of the hidden tokens, nats."""
    cosine: float
    """1 − cosine of the last hidden states, 0-2."""
    seconds: float
    """What the step took."""


@dataclass(frozen=True, slots=True)
class DistilMeasured(Answer):
    """The student was compared with its teacher on the held-out pieces, always the same ones, hidden alike."""

    step: int
    """Steps taken."""
    kl: float
    """KL(teacher ‖ student) at temperature 1, mean over the hidden tokens; nats."""
    agreement: float
    """Share of the hidden tokens where both put the same entry first, 0-1."""


@dataclass(frozen=True, slots=True)
class DistilPaused(Answer):
    """The run was stopped, and can go on."""

    step: int
    steps: int
    checkpoint: str
    """The file; empty when there was nothing to keep."""


@dataclass(frozen=True, slots=True)
class Distilled(Answer):
    """The run is finished."""

    teacher: str
    step: int
    """Steps taken, earlier parts of a run that went on included."""
    kl_before: float
    """Held out, nats; before the first step."""
    kl: float
    agreement_before: float
    agreement: float
    teacher_parameters: int
    student_parameters: int
    seconds: float
    """Wall-clock time of learning and measuring, earlier parts included."""
    folder: str
    """An ordinary Hugging Face folder; empty when the student was not to be saved."""
