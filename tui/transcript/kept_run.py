"""What is kept of a run: everything recorded, where it left another one, and the turn that shows it.

Knows no widget, no file and no engine; those who show, save, draw or take away runs all know this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.messages.protocol import Event, Retuned, SequenceDone, TokenGenerated
from core.messages.records import Candidate, Exchange, ModelInfo, StepRecord
from core.messages.sampling_params import SamplingParams, describe_change, describe_way
from tui.transcript.run_numbers import in_a_loop
from tui.transcript.tally import Tally, describe_endings, why_ended


class ShownTurn(Protocol):
    """The turn that shows a run, as far as others need it."""

    @property
    def prompt(self) -> str:
        """What the user wrote."""

    @property
    def text(self) -> str:
        """The prompt and the first continuation."""

    @property
    def is_attached(self) -> bool:
        """Whether it is on the screen."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a run leaves an earlier one."""

    parent: int = -1
    """Index of the earlier run in `History.kept`; −1 when it follows none."""
    sequence: int = 0
    """Which of that run's sequences it leaves."""
    branch_at: int = 0
    """The new token it takes another one in place of; below 0 counts back from the end of the prompt."""
    taken: Candidate | None = None
    """The token it goes on with; None when it writes on after the last."""


NO_DEPARTURE = Departure()


@dataclass(slots=True, eq=False)
class KeptRun:
    """A run and everything recorded of it."""

    turn: ShownTurn
    prompt: str
    """As the model read it."""
    prompt_ids: tuple[int, ...]
    params: SamplingParams
    info: ModelInfo
    steps: list[list[StepRecord]]
    """By sequence."""
    retunes: list[tuple[int, SamplingParams]] = field(default_factory=list)
    """Other settings, each with the first new token they chose."""
    ends: list[SequenceDone] = field(default_factory=list)
    parent: int = -1
    """Index in `History.kept` of the run it leaves; −1 when it follows none."""
    branch_at: int = 0
    """The parent's new token it took another one in place of; below 0 counts back from the end of the prompt."""
    parent_sequence: int = 0
    """Which of the parent's sequences it leaves."""
    taken: Candidate | None = None
    """The token it went on with; None when it wrote on after the last, and when that is not known."""
    chat: bool = False
    """Whether its prompt was a turn of a chat; what leaves it, or writes on, belongs to the same turn."""
    after: int = -1
    """Index in `History.kept` of the run whose answer a chat's prompt follows; −1 when it begins one."""

    def take(self, event: Event) -> None:
        """Keep what an event of this run tells."""
        match event:
            case TokenGenerated():
                self.steps[event.step.sequence].append(event.step)
            case Retuned():
                self.retunes.append((event.index, event.params))
            case SequenceDone():
                self.ends.append(event)

    def tally(self, sequence: int) -> Tally:
        """What its records say of one of its sequences."""
        steps = self.steps[sequence]
        circles = " · ⟳ in circles" if in_a_loop([step.id for step in steps]) else ""
        ended = [why_ended(end.finish_reason, end.stats) + circles for end in self.ends if end.sequence == sequence]
        return Tally(math.fsum(step.logprob for step in steps), len(steps), ending="".join(ended))

    def ending(self) -> str:
        """Why it ended, and what can be done then."""
        ends = sorted(self.ends, key=lambda end: end.sequence)
        circles = any(in_a_loop([step.id for step in steps]) for steps in self.steps)
        hint = " · ⟳ goes in circles, F9 says what helps" if circles else ""
        return describe_endings([(end.finish_reason, end.stats) for end in ends]) + hint

    def params_at(self, index: int) -> SamplingParams:
        """The settings that chose new token `index`."""
        return [self.params, *(params for start, params in self.retunes if start <= index)][-1]

    def changes(self) -> dict[int, str]:
        """What changed on the way, by the first new token that other settings chose."""
        return {start: describe_change(self.params_at(start - 1), params) for start, params in self.retunes}

    def way(self) -> str:
        """How its tokens were chosen, and what changed meanwhile."""
        return " · ".join((describe_way(self.params), *(f"⟲ {change}" for change in self.changes().values())))

    def context_ids(self, sequence: int, index: int) -> tuple[int, ...]:
        """What the model had read when it chose new token `index` of a sequence."""
        return (*self.prompt_ids, *(step.id for step in self.steps[sequence][:index]))


class History(Protocol):
    """The runs of a conversation, for those who look at them and let new ones leave them."""

    @property
    def kept(self) -> Sequence[KeptRun]:
        """Every run that began, oldest first."""

    def earlier(self) -> tuple[Exchange, ...]:
        """The turns that a chat's next prompt follows."""

    def branch(
        self, prompt: str, context_ids: tuple[int, ...], candidate: Candidate, departure: Departure = NO_DEPARTURE
    ) -> None:
        """Go on with a candidate in the place of what was, or would be, drawn.

        Args:
            prompt: the text before it, as it is shown.
            context_ids: the tokens before it; empty where `prompt` is still to be tokenised.
            candidate: the token to go on with.
            departure: the place in an earlier run that the tokens before it are taken from.
        """
