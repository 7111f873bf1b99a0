"""The course of a training: steps, measurements between them, and a checkpoint now and then, until the end or a stop.

Knows neither models nor files: a topic says what a step is, what is measured and where the state goes. Invariant: where
a step depends on the restored state and its number alone, a course that was stopped and went on takes the same steps
and measurements as one that was never interrupted.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from core.engine.lab.desk import Desk

CHECKPOINT_EVERY_S = 60.0
CHECKPOINT_SHARE = 0.05
"""Of the time, spent on checkpoints at most: a large model is saved less often."""

_SEEDS_APART = 1_000_003
"""Keeps the draws of neighbouring seeds apart."""


class AtStep(Protocol):
    """What was measured after some step."""

    @property
    def step(self) -> int:
        """Steps taken, from 0."""


_Step = TypeVar("_Step")
_Measured = TypeVar("_Measured", bound=AtStep)


@dataclass(slots=True, kw_only=True)
class Course(ABC, Generic[_Step, _Measured]):
    """The steps of one process, and what earlier ones left.

    A subclass writes `take_step`, `measure` and `save`, and may end early.
    """

    desk: Desk
    settings: dict[str, Any]
    """What must be the same for a run to go on, in plain values."""
    steps: int
    """Of the whole run."""
    measure_every: int
    """Steps between two measurements; the first state and the last one are always measured."""
    step: int = 0
    """Steps taken, those of earlier processes included."""
    measured: list[_Measured] = field(default_factory=list)
    is_stopped: bool = False
    """Whether the user stopped it before its end."""
    _earlier: tuple[int, float] = field(default=(0, 0.0), init=False)
    """Steps and seconds of earlier processes."""
    _began: float = field(default_factory=time.perf_counter, init=False)

    @abstractmethod
    def take_step(self) -> _Step | None:
        """Learn from one batch and count it; None when it was stopped meanwhile and nothing was learnt."""

    @abstractmethod
    def measure(self) -> _Measured | None:
        """Measure the state as it is; None when it was stopped meanwhile."""

    @abstractmethod
    def save(self) -> None:
        """Write the checkpoint."""

    def ends_early(self) -> bool:
        """Return True if more steps would not help."""
        return False

    def train(self) -> Iterator[_Step | _Measured]:
        """Tell the earlier measurements, then take steps until the end; a stop leaves a checkpoint."""
        yield from self.measured
        saved_at, pause_s = time.perf_counter(), CHECKPOINT_EVERY_S
        while True:
            if self._is_due():
                if (measured := self.measure()) is None:
                    break
                self.measured.append(measured)
                yield measured
            if (before := time.perf_counter()) - saved_at > pause_s:
                self.save()
                saved_at = time.perf_counter()
                pause_s = max(CHECKPOINT_EVERY_S, (saved_at - before) / CHECKPOINT_SHARE)
            if self.step >= self.steps or self.ends_early():
                return
            if not self.may_go_on() or (step := self.take_step()) is None:
                break
            yield step
        self.is_stopped = True
        self.save()

    @property
    def seconds(self) -> float:
        """Spent on the whole run."""
        return self._earlier[1] + time.perf_counter() - self._began

    def seconds_left(self) -> float:
        """Judge the time until the last step by the steps of this process."""
        step_s = (time.perf_counter() - self._began) / (self.step - self._earlier[0])
        return step_s * (self.steps - self.step)

    def may_go_on(self) -> bool:
        """Let short requests in; return False if the user stopped the course."""
        self.desk.between()
        return not self.desk.should_stop()

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of any course."""
        return {"settings": self.settings, "step": self.step, "seconds": self.seconds}

    def differing(self, saved: Mapping[str, Any]) -> list[str]:
        """Name the settings that differ from those of a saved run."""
        return [name for name, value in self.settings.items() if saved["settings"].get(name) != value]

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.step = saved["step"]
        self._earlier = (self.step, saved["seconds"])

    def _is_due(self) -> bool:
        is_measured = bool(self.measured) and self.measured[-1].step == self.step
        return not is_measured and (self.step % self.measure_every == 0 or self.step >= self.steps)


def seed_at(seed: int, place: int) -> int:
    """The seed of one step, epoch or other place of a run with a seed."""
    return seed * _SEEDS_APART + place
