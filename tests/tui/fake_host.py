"""A main screen's hands without a screen: a host that notes what it is told, and a pane that only keeps its turns."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from core.errors import EngineError
from core.messages.records import ModelInfo, RunStats, Target
from tests.tui.fake_engine import INFO, FakeEngine
from tui.conversations.keeper import Conversations
from tui.main.panes.conversation import ConversationPane
from tui.main.panes.sampling import SamplingPane
from tui.main.runs import Runs
from tui.transcript.turn import Turn


class FakeHost:
    """Notes what it is told, and answers every question alike."""

    def __init__(self) -> None:
        self.target = Target("starter/gpt2")
        self.model: ModelInfo | None = INFO
        self.answer = True
        self.told, self.states, self.errors, self.questions = list[str](), list[str](), list[EngineError](), list[str]()
        self.recoveries = self.visits = 0
        self.stats: RunStats | None = None
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def work(self, work: Coroutine[Any, Any, None], group: str) -> asyncio.Task[None]:
        if group in self.tasks:
            self.tasks[group].cancel()
        self.tasks[group] = asyncio.create_task(work)
        return self.tasks[group]

    async def done(self, group: str) -> None:
        """Wait for the end of what was begun last in a group."""
        await self.tasks[group]

    def batch_update(self) -> AbstractContextManager[None]:
        return nullcontext()

    def tell(self, text: str, *, failed: bool = False) -> None:
        self.told.append(text)

    def say(self, state: str) -> None:
        self.states.append(state)

    def say_failure(self, error: EngineError) -> None:
        self.errors.append(error)

    def show_model(self, info: ModelInfo) -> None:
        self.model = info

    def show_speed(self, tokens_per_s: float, ttft_s: float) -> None:
        self.states.append(f"{tokens_per_s:.0f} tok/s")

    def show_stats(self, stats: RunStats) -> None:
        self.stats = stats

    async def choose(self, question: str, yes: str, no: str) -> bool:
        self.questions.append(question)
        return self.answer

    def go_to_prompt(self) -> None:
        self.visits += 1

    def recover(self) -> None:
        self.recoveries += 1


class FakeTranscript(ConversationPane):
    """Keeps turns in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[Turn] = []

    @property
    def text(self) -> str:
        """What the turns show."""
        return "\n".join(str(turn.content) for turn in self.turns)

    def add_turn(self, prompt: str, note: str) -> Turn:
        turn = Turn(prompt, note)
        turn.note(note)
        self._take([*self.turns, turn])
        return turn

    def show_turns(self, turns: Sequence[Turn], hidden: int, note: str) -> None:
        self.clear()
        self._take(turns)

    async def add_older(self, turns: Sequence[Turn], hidden: int) -> None:
        self._take([*turns, *self.turns])

    def clear(self) -> None:
        for turn in self.turns:
            turn._detach()
        self.turns = []

    def _take(self, turns: Sequence[Turn]) -> None:
        self.turns = list(turns)
        for turn in turns:
            turn._attach(self)


class Sitting:
    """The runs and conversations of a main screen, with what they work for."""

    def __init__(self, engine: FakeEngine | None = None, *, restore: bool = False, begins: bool = True) -> None:
        self.engine = engine or FakeEngine()
        self.host = FakeHost()
        self.transcript = FakeTranscript()
        self.sampling = SamplingPane()
        self.runs = Runs(self.host, self.engine, self.transcript, self.sampling)
        self.conversations = Conversations(self.host, self.runs, self.transcript, restore=restore)
        if begins:
            self.conversations.begin()

    async def ask(self, prompt: str) -> None:
        """Ask for a run."""
        self.runs.start(prompt)
        await settle()

    async def begin(self, prompt: str, *tokens: str) -> None:
        """Run a prompt as far as these tokens."""
        await self.ask(prompt)
        self.engine.begin()
        for text in tokens:
            self.engine.write(text)
        await settle()

    async def end(self, text: str, **how: Any) -> None:
        """End the run."""
        self.engine.finish(text, **how)
        await self.host.done("generate")

    async def run(self, prompt: str, *tokens: str, **how: Any) -> None:
        """Run a prompt to its end."""
        await self.begin(prompt, *tokens)
        await self.end("".join(tokens), **how)

    def close(self) -> None:
        """Let go of the file, as the app does at its end."""
        self.conversations.close()


async def settle() -> None:
    """Let everything go on until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)
