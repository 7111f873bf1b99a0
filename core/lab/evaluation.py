"""Evaluation: how good a model is on a file of texts whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.errors import SettingError
from core.lab.records import Answer, Question
from core.tables.rows import BrokenRow


class EvaluationTask(StrEnum):
    """What the model is asked about each row."""

    SIMILAR = "similar"
    """Do the two texts say the same? A classifier of pairs."""
    SENTIMENT = "sentiment"
    """Which label has the text? A classifier of texts."""
    FILL = "fill"
    """What stands behind the masks? A masked language model."""
    LM = "lm"
    """How surprised is a causal language model by the text?"""


DEFAULT_MODELS = {
    EvaluationTask.SIMILAR: "starter/mrpc",
    EvaluationTask.SENTIMENT: "starter/distilbert-sst2",
    EvaluationTask.FILL: "starter/bert",
    EvaluationTask.LM: "starter/gpt2",
}


@dataclass(frozen=True, slots=True)
class Evaluate(Question):
    """How good is a model on a file?

    Answered by `RowsSkipped` where there are any, `EvaluationProgress` as it goes, and last, unless it was stopped,
    one of `ClassifierEvaluation`, `FillEvaluation` and `CausalEvaluation`.
    """

    task: EvaluationTask
    model: str
    path: str
    """The file, absolute: TSV, CSV, JSON Lines or plain text."""
    text: str = ""
    """The column of the text, by name or number from 1; empty is guessed, as are the next two."""
    text_b: str = ""
    """The column of the second text of a pair."""
    label: str = ""
    """The column of the label; for `fill`, of the masked words."""
    limit: int = 0
    """Read so many usable rows, from the start; 0 is all."""
    batch_size: int = 32
    """Rows that go through the model at once, at most; rows of many tokens go in smaller batches."""
    mistakes: int = 5
    """How many of the worst rows to show."""
    seed: int = 0
    """Of the draw of tokens to mask, where the file says none."""
    window: int = 0
    """`lm`: tokens the model sees at once; 0 is all its positions."""
    stride: int = 0
    """`lm`: tokens by which the window moves on; 0 is half the window."""
    csv: str = ""
    """Write every prediction to this file, absolute; empty writes none."""
    fresh: bool = False
    """Start over instead of going on where an interrupted evaluation stopped."""

    def __post_init__(self) -> None:
        _check("limit", self.limit, 0, 10**9)
        _check("batch_size", self.batch_size, 1, 4096)
        _check("mistakes", self.mistakes, 0, 1000)
        _check("seed", self.seed, 0, 2**31 - 1)
        _check("window", self.window, 0, 10**6)
        _check("stride", self.stride, 0, 10**6)
        if self.window == 1:
            raise SettingError("window must be at least 2, got 1", "a token is predicted from one before it")


@dataclass(frozen=True, slots=True)
class RowsSkipped(Answer):
    """Some of the rows that cannot be used, in the order of the file."""

    rows: tuple[BrokenRow, ...]


@dataclass(frozen=True, slots=True)
class EvaluationProgress(Answer):
    """A batch was answered."""

    done: int
    """Rows (`lm`: windows) so far, those of an earlier run included."""
    total: int
    fraction: float
    """Of the tokens, 0-1."""
    accuracy: float
    """So far, 0-1."""
    seconds_left: float


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """What was evaluated on what."""

    task: EvaluationTask
    model: str
    path: str
    columns: tuple[str, ...]
    """The columns read: texts, then the label."""
    n: int
    """Rows evaluated."""
    seconds: float
    """Of this run, loading the model aside."""
    skipped: int
    """Rows that cannot be used."""
    resumed: int
    """Rows whose predictions an interrupted run had left."""
    truncated: int
    """Rows cut to the model's positions."""
    note: str = ""
    """What the user should know, such as a journal that cannot be kept."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A row that the model got wrong."""

    line: int
    texts: tuple[str, ...]
    label: str
    """What is right."""
    predicted: str
    prob: float
    """Of what the model said, 0-1."""
    label_prob: float
    """Of what is right, 0-1."""


@dataclass(frozen=True, slots=True)
class HardText:
    """A text that surprised a causal model."""

    line: int
    text: str
    tokens: int
    """Tokens predicted."""
    loss: float
    """Mean −ln p a token, nats."""


@dataclass(frozen=True, slots=True)
class ClassScores:
    """How a classifier does on one label."""

    label: str
    precision: float
    """0-1, as the next two; 0 where it is not defined."""
    recall: float
    f1: float
    support: int
    """Rows that have this label."""


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The predictions of about one confidence."""

    low: float
    """Confidence above this, 0-1 …"""
    high: float
    """… up to this."""
    n: int
    confidence: float
    """Mean probability of the predicted label; 0 in an empty bin, as the next."""
    accuracy: float


@dataclass(frozen=True, slots=True)
class ClassifierEvaluation(Answer):
    """The last answer for `similar` and `sentiment`."""

    run: EvaluationRun
    accuracy: float
    f1: float
    """Of the positive label when there are two, else the mean over the labels; so are the next two."""
    precision: float
    recall: float
    average: str
    """binary, or macro."""
    positive: str
    """The positive label; empty when there are more than two."""
    loss: float
    """Mean −ln p(label), nats."""
    calibration_error: float
    """Expected calibration error over the bins, 0-1 (Guo et al. 2017)."""
    classes: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows: the right label; columns: the predicted one."""
    bins: tuple[CalibrationBin, ...]
    """Ten, of equal width."""
    mistakes: tuple[Mistake, ...]
    """Most confident first."""


@dataclass(frozen=True, slots=True)
class FillEvaluation(Answer):
    """The last answer for `fill`."""

    run: EvaluationRun
    method: str
    """Where the masks come from, in words."""
    masks: int
    accuracy: float
    """Share of the masks whose word the model ranks first, 0-1."""
    accuracy_at_5: float
    """Share of the masks whose word is among its first five."""
    loss: float
    """Mean −ln p(word) over the masks, nats."""
    pseudo_perplexity: float
    """exp of the loss."""
    mistakes: tuple[Mistake, ...]
    """Most confident first."""


@dataclass(frozen=True, slots=True)
class CausalEvaluation(Answer):
    """The last answer for `lm`."""

    run: EvaluationRun
    method: str
    """What is counted, in words."""
    window: int
    stride: int
    tokens: int
    """Tokens predicted."""
    characters: int
    """Code points of those tokens."""
    bytes: int
    """Their UTF-8 bytes."""
    accuracy: float
    """Share of the tokens that the model ranks first, 0-1."""
    loss: float
    """Mean −ln p a token, nats."""
    perplexity: float
    """exp of the loss."""
    bits_per_character: float
    bits_per_byte: float
    hardest: tuple[HardText, ...]
    """The texts of the highest loss a token, hardest first."""


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise SettingError(f"{name} must be in [{low}, {high}], got {value}", "choose a value in this range")
