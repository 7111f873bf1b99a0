"""Teacher and student: two models of one task on the same input."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.errors import SettingError
from core.lab.records import Answer, Question

HALF = "half"
"""The student that is made of the teacher itself: every other layer, untrained."""


class StudentTask(StrEnum):
    """What both models are for."""

    MASKED_LM = "masked LM"
    CLASSIFICATION = "classification"


@dataclass(frozen=True, slots=True)
class CompareStudents(Question):
    """How far is a student from its teacher? Answered by one `StudentsCompared`."""

    teacher: str
    student: str
    """A model of the teacher's task, or `HALF`."""
    text: str
    """Of masked language models: with [MASK] in it."""
    second_text: str = ""
    """Makes a pair of the input; empty is none."""
    temperature: float = 1.0
    """Divides the logits of both: above 1 the soft labels show more of what comes second."""
    top: int = 5
    """How many entries of each distribution."""

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        if self.top < 1:
            raise SettingError(f"top must be in [1, ∞), got {self.top}", "ask for at least one entry")


@dataclass(frozen=True, slots=True)
class StudentEntry:
    """A label, or a vocabulary entry behind a mask, as both models see it."""

    mask: int
    """Which mask, 0-based, from the left; 0 of a classifier."""
    label: str
    """The label's name, or the entry as the vocabulary spells it."""
    teacher_prob: float
    """At the question's temperature, 0-1; so is the next."""
    student_prob: float
    teacher_rank: int
    """1 is best; ties share the better rank."""
    student_rank: int


@dataclass(frozen=True, slots=True)
class StudentSize:
    """How big and how quick one of the two is."""

    name: str
    architecture: str
    layers: int
    parameters: int
    disk_bytes: int
    """Its weight files, each counted once, whatever else they hold; 0 when it was made on the fly."""
    encoder_s: float
    """Embeddings and layers alone, median of the forwards measured just now, one input at a time."""
    forward_s: float
    """The same with the head."""


@dataclass(frozen=True, slots=True)
class StudentsCompared(Answer):
    """The answer to `CompareStudents`."""

    task: StudentTask
    temperature: float
    entries: tuple[StudentEntry, ...]
    """The top of either model, by mask, then by the teacher's probability."""
    by_name: bool
    """Whether the entries have the same names in both models; classes that have not are paired by number."""
    kl: float
    """KL(teacher ‖ student) at the temperature, nats; mean over the masks."""
    agreement: float
    """Share of the masks where both put the same entry first, 0-1."""
    teacher: StudentSize
    student: StudentSize
    tokens: int
    """Of the input as the teacher reads it, special tokens included."""
    forwards: int
    """How many forwards each latency is the median of."""
    dtype: str
    """What the teacher computes in."""


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that soft labels cannot have.

    Raises:
        SettingError: it is out of range.
    """
    if not 0.05 <= temperature <= 100:
        raise SettingError(f"temperature must be in [0.05, 100], got {temperature:g}", "2 is usual for soft labels")
