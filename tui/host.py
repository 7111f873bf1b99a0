"""The host: what the hands need of the screen they work for, so that none of them knows it.

The main screen is one; a test's host is a few lines. A hand asks the engine and shows the answer in panes of its own.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol

from core.errors import EngineError
from core.messages.records import ModelInfo, RunStats, Target


class OngoingWork(Protocol):
    """Work under way."""

    def cancel(self) -> object:
        """End it; does nothing when it has ended."""


class Host(Protocol):
    """A screen that hands work for."""

    @property
    def target(self) -> Target:
        """The model that is asked for."""

    @property
    def model(self) -> ModelInfo | None:
        """The model that is loaded; None until it is."""

    def work(self, work: Coroutine[Any, Any, None], group: str) -> OngoingWork:
        """Do something in the background, in the place of what was begun in the same group."""

    def batch_update(self) -> AbstractContextManager[None]:
        """Paint nothing until it is left."""

    def tell(self, text: str, *, failed: bool = False) -> None:
        """Tell the user something that goes away by itself."""

    def say(self, state: str) -> None:
        """Say what goes on."""

    def say_failure(self, error: EngineError) -> None:
        """Say what went wrong."""

    def show_model(self, info: ModelInfo) -> None:
        """Say which model is loaded."""

    def show_speed(self, tokens_per_s: float, ttft_s: float) -> None:
        """Show how fast a run is."""

    def show_stats(self, stats: RunStats) -> None:
        """Show how fast a run was that has ended, and how much of the context it filled."""

    async def choose(self, question: str, yes: str, no: str) -> bool:
        """Ask a question with two answers; True for the first."""

    def go_to_prompt(self) -> None:
        """Leave what is looked at, for the prompt."""

    def recover(self) -> None:
        """Start the engine again, unless it keeps dying."""
