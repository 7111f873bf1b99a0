"""The loop that every recipe shares: step, count the time, show the progress, save.

Knows no model. Invariant: after `fit` returns, the checkpoint on disk holds the final state.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm  # type: ignore[import-untyped]

from training.progress import Budget, RunningClock, load_checkpoint, save_checkpoint

SAVE_EVERY_S = 180.0
SMOOTHING = 0.03
BAR = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"


class Trainer(Protocol):
    """Something that learns step by step and can be saved between steps."""

    step: int
    """Steps taken so far."""

    def take_step(self, fraction_done: float) -> float:
        """Learn from one batch, given how much of the run is over, and return the loss."""
        ...

    def state(self) -> dict[str, Any]:
        """Return everything a later process needs to go on."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        ...


def fit(trainer: Trainer, budget: Budget, checkpoint: Path, *, name: str, resume: bool) -> RunningClock:
    """Take steps until the budget is spent, saving every three minutes and at the end.

    Args:
        trainer: What learns.
        budget: When to stop.
        checkpoint: The checkpoint's file.
        name: What the progress bar says.
        resume: Go on from the checkpoint instead of from the first step.

    Returns:
        The clock, with the running time of all runs so far.
    """
    clock = RunningClock()
    if resume:
        saved = load_checkpoint(checkpoint)
        trainer.restore(saved)
        clock = RunningClock(saved["elapsed_s"])
    saved_s = clock.elapsed_s
    shown_loss = math.nan
    with tqdm(total=100, desc=name, mininterval=5.0, bar_format=BAR) as bar:
        while (fraction := budget.fraction_done(clock.elapsed_s, trainer.step)) < 1:
            loss = trainer.take_step(fraction)
            clock.tick()
            shown_loss = loss if math.isnan(shown_loss) else shown_loss + SMOOTHING * (loss - shown_loss)
            bar.set_postfix(step=trainer.step, loss=f"{shown_loss:.3f}", refresh=False)
            bar.update(100 * fraction - bar.n)
            if clock.elapsed_s - saved_s > SAVE_EVERY_S:
                saved_s = clock.elapsed_s
                save_checkpoint(checkpoint, {**trainer.state(), "elapsed_s": saved_s})
        bar.update(100 - bar.n)
    save_checkpoint(checkpoint, {**trainer.state(), "elapsed_s": clock.elapsed_s})
    return clock
