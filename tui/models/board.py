"""The board: what the hands of the Models screen need of it and of the main screen, so that they know neither."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from core.messages.records import ModelInfo, Target
from core.models.hub.records import DownloadPlan
from tui.host import OngoingWork


class Board(Protocol):
    """A screen that lists models, and shows what its hands do with them."""

    def work(self, work: Coroutine[Any, Any, None], group: str) -> OngoingWork:
        """Do something in the background, beside what was begun in the same group."""

    def say(self, text: str, *, failed: bool = False) -> None:
        """Say what was done, or what to do."""

    def show_verifying(self, line: str) -> None:
        """Say how far the verification is; empty takes it back."""

    def show_download(self, short: str, line: str) -> None:
        """Say how far the download is, in a few words and in a line; empty takes it back."""

    def download_ended(self, name: str, text: str, *, failed: bool = False) -> None:
        """Say how it ended; `name` is that of a model that is here now."""

    async def agree(self, plan: DownloadPlan) -> bool:
        """Ask whether a download shall begin."""

    def read(self, then: str = "") -> None:
        """List every model again, then go to the one that is named."""


class Writing(Protocol):
    """The model that writes, which the main screen has loaded."""

    target: Target
    """Which it is and where it runs; another one is loaded at once."""

    @property
    def model(self) -> ModelInfo | None:
        """What was loaded; None until it is."""

    def load_model(self) -> None:
        """Load the target again."""
