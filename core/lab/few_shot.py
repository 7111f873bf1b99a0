"""Zero- and few-shot: a causal model is shown a task in its prompt and judges the answers it is offered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import InputError, SettingError
from core.lab.records import Answer, Question

ARROW = "=>"
INPUT, OUTPUT = "{input}", "{output}"
TEMPLATE = f"{INPUT} {ARROW} {OUTPUT}"
"""How an example is written, as in Brown et al. 2020, "Language models are few-shot learners", figure 2.1."""


@dataclass(frozen=True, slots=True)
class Example:
    """A solved case of the task."""

    input: str
    output: str


def parse_example(line: str) -> Example:
    """Read `input => output`; the last arrow counts.

    Raises:
        InputError: there is no arrow, or nothing on one side of it.
    """
    given, arrow, output = (part.strip() for part in line.rpartition(ARROW))
    if not (arrow and given and output):
        raise InputError(f"the example {line.strip()!r} is not of the form input {ARROW} output", "write both sides")
    return Example(given, output)


def build_prompt(task: str, examples: Sequence[Example], query: str, template: str = TEMPLATE) -> str:
    """Put the task, the solved examples and the open case together.

    Args:
        task: a line that says what to do; empty leaves it out.
        examples: none is zero-shot.
        query: the case to be answered.
        template: a line (or more) with {input}, and {output} at its end.

    Returns:
        The prompt, which ends right before the answer, without white space.

    Raises:
        InputError: the query is empty, or the template lacks one of its places.
    """
    before, place, after = template.partition(OUTPUT)
    if not place or INPUT not in before or after.strip():
        raise InputError(f"the template {template!r} must hold {INPUT}, and {OUTPUT} at its end", f"such as {TEMPLATE}")
    if not query.strip():
        raise InputError("the query is empty", "write the case that the model is to answer")
    lines = [task.strip()] if task.strip() else []
    lines += [before.replace(INPUT, example.input) + example.output for example in examples]
    lines.append(before.replace(INPUT, query.strip()).rstrip())
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class ScoreAnswers(Question):
    """How likely is each answer after a prompt? Answered by one `ScoredAnswers`."""

    model: str
    """A causal model."""
    prompt: str
    answers: tuple[str, ...]
    """The answers on offer. One that does not begin with white space gets a space, unless the prompt ends with some."""

    def __post_init__(self) -> None:
        if not self.answers or not all(answer.strip() for answer in self.answers):
            raise SettingError("answers must be one text or more, none of them empty", "name at least two to compare")


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """One token of an answer."""

    id: int
    text: str
    """Readable: bytes that are no whole character appear as `\\xed`."""
    logprob: float
    """Natural, of the full softmax, given the prompt and the answer's tokens before it."""


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """One answer."""

    answer: str
    """As it was given."""
    read: str
    """As it was read after the prompt: with its space."""
    tokens: tuple[ScoredToken, ...]
    sum: float
    """Of the tokens' logprobs: that of the whole answer."""
    mean: float
    """Of the tokens' logprobs: does not make long answers worse."""
    prob: float
    """exp(sum), as a share of the answers on offer, 0-1."""
    prob_per_token: float
    """exp(mean), as a share of the answers on offer, 0-1."""
    best: bool
    """Whether its sum is the highest."""
    best_per_token: bool
    """Whether its mean is the highest."""


@dataclass(frozen=True, slots=True)
class ScoredAnswers(Answer):
    """The answer to `ScoreAnswers`."""

    model: str
    prompt: str
    """As it was read: a space at its end goes to the answers."""
    prompt_tokens: int
    answers: tuple[ScoredAnswer, ...]
    """In the order they were given, each once."""
