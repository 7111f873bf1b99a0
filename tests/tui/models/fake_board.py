"""A Models screen's hands without a screen: a board that notes what it is told, and a main screen's part of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from core.messages.records import ModelInfo, Target
from core.models.hub.records import DownloadPlan
from core.models.registry import resolve
from tests.tui.fake_engine import INFO
from tui.models.rows import ModelRow, read_row


class FakeBoard:
    """Notes what it is told; agrees to every download unless `answer` is False."""

    def __init__(self) -> None:
        self.said, self.failures, self.endings, self.read_again = list[str](), list[str](), list[str](), list[str]()
        self.verifying, self.downloading = list[str](), list[tuple[str, str]]()
        self.plans: list[DownloadPlan] = []
        self.answer = True
        self.ticked = asyncio.Event()
        """Set by each sign of a verification."""
        self.task: asyncio.Task[None] | None = None

    def work(self, work: Coroutine[Any, Any, None], group: str) -> asyncio.Task[None]:
        self.task = asyncio.create_task(work)
        return self.task

    async def done(self) -> None:
        """Wait for the end of what was begun last."""
        assert self.task is not None
        await asyncio.wait([self.task])

    def say(self, text: str, *, failed: bool = False) -> None:
        (self.failures if failed else self.said).append(text)

    def show_verifying(self, line: str) -> None:
        self.verifying.append(line)
        self.ticked.set()

    def show_download(self, short: str, line: str) -> None:
        self.downloading.append((short, line))

    def download_ended(self, name: str, text: str, *, failed: bool = False) -> None:
        self.endings.append(name)
        self.say(text, failed=failed)

    async def agree(self, plan: DownloadPlan) -> bool:
        self.plans.append(plan)
        return self.answer

    def read(self, then: str = "") -> None:
        self.read_again.append(then)


@dataclass
class FakeWriting:
    """The model that writes."""

    target: Target
    model: ModelInfo | None = INFO
    loads: int = 0

    def load_model(self) -> None:
        self.loads += 1


def row_of(name: str) -> ModelRow:
    """A model as a row, with everything that is known of it."""
    return read_row(ModelRow(resolve(name)))
