"""How long a run has run, how far its schedule is, and how it survives being killed.

Holds the clock, the learning-rate schedule and the checkpoint file, and knows no model. Invariant:
time in which the process was stopped does not count, and a checkpoint is either the old one or the
new one, never half of either.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

LONGEST_STEP_S = 30.0


@dataclass(frozen=True, slots=True)
class Budget:
    """When a run ends: after so many minutes or so many steps, whichever comes first."""

    minutes: float
    """Running time, stops not counted; above 0."""
    steps: int = 0
    """Steps at most; 0 leaves the end to the clock."""

    def __post_init__(self) -> None:
        """Check both bounds."""
        if self.minutes <= 0:
            raise ValueError(f"minutes must be above 0, got {self.minutes}")
        if self.steps < 0:
            raise ValueError(f"steps must be at least 0, got {self.steps}")

    def fraction_done(self, elapsed_s: float, step: int) -> float:
        """Return how much of the run is over, 0-1."""
        by_step = step / self.steps if self.steps else 0.0
        return min(1.0, max(by_step, elapsed_s / (60 * self.minutes)))


class RunningClock:
    """Counts the seconds a run has worked, leaving out any gap in which it was stopped."""

    def __init__(self, elapsed_s: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        """Start counting from what earlier runs have already spent.

        Args:
            elapsed_s: Seconds already counted.
            now: A monotonic clock in seconds.
        """
        self.elapsed_s = elapsed_s
        self._now = now
        self._last = now()

    def tick(self) -> None:
        """Count the time since the last tick, at most `LONGEST_STEP_S` of it."""
        now = self._now()
        self.elapsed_s += min(now - self._last, LONGEST_STEP_S)
        self._last = now


def learning_rate_factor(fraction_done: float, step: int, *, warmup_steps: int, decay_from: float) -> float:
    """Return the factor on the peak learning rate: a warm-up, a plateau, a line down to 0.

    Args:
        fraction_done: How much of the run is over, 0-1.
        step: Steps taken so far.
        warmup_steps: Steps until the plateau.
        decay_from: Where the plateau ends, 0-1.

    Returns:
        A factor in [0, 1].
    """
    warmup = min(1.0, (step + 1) / warmup_steps)
    decay = min(1.0, (1 - fraction_done) / (1 - decay_from))
    return warmup * decay


def step_generator(seed: int, step: int) -> torch.Generator:
    """Return the randomness of one step, the same whether or not the run was interrupted."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint beside the old one, then put it in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(dict(state), partial)
    os.replace(partial, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are accepted."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
