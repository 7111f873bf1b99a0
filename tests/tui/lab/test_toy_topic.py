"""A topic of the lab is four files and a row in each catalogue: a toy one, added so, works as pane and as command."""

from __future__ import annotations

import sys

import pytest

import tests.tui.lab.lab
import tui.cli
from core.backends import catalogue as backends
from core.engine.lab import answering
from core.lab import catalogue as topics
from core.messages.codec import decode, encode
from core.messages.protocol import Answered, Ask, Done, Event, Work
from tests.loaded import desk
from tests.toy.topic import reversal, work
from tests.toy.topic.pane import ReversalPane
from tests.tui.fake_engine import FakeEngine
from tests.tui.lab.lab import opened
from tui.commands.parser import Command
from tui.lab import catalogue as panes
from tui.lab import command_catalogue as commands
from tui.lab import screen

TOPIC = "tests.toy.topic"


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """The records are where they would be, and each of the four catalogues has its row."""
    monkeypatch.setitem(sys.modules, "core.lab.reversal", reversal)
    monkeypatch.setattr(topics, "TOPICS", (*topics.TOPICS, "reversal"))
    for question, task in work.TASKS.items():
        monkeypatch.setitem(answering.TASKS, question, task)
    labs = (*panes.LABS, panes.Lab("reversal", "Backwards", f"{TOPIC}.pane:ReversalPane"))
    for module in (screen, tests.tui.lab.lab):
        monkeypatch.setattr(module, "LABS", labs)
    row = Command("reverse", "a text backwards", f"{TOPIC}.command")
    monkeypatch.setattr(tui.cli, "LAB_COMMANDS", (*commands.COMMANDS, row))


def engine_side(request: Work) -> list[Event]:
    """What comes over the pipe when the engine is asked, and what goes back."""
    arrived = decode(encode(request))
    if not isinstance(arrived, Ask):
        return []
    events: list[Event] = [Answered(arrived.id, one) for one in answering.answer(desk(), arrived.question)]
    returned = [decode(encode(event)) for event in (*events, Done(arrived.id))]
    return [event for event in returned if isinstance(event, Event)]


class InProcess(FakeEngine):
    """The engine's side of the lab, in this process."""

    def __init__(self, address: str = "") -> None:
        super().__init__()
        self.script = engine_side


async def test_the_pane_asks_and_shows_the_answer() -> None:
    async with opened(ReversalPane, script=engine_side) as (running, pane):
        await running.until(lambda: str(pane.answer.content) == "cba")
        pane.text.value = "한국어"
        await running.until(lambda: str(pane.answer.content) == "어국한")


def test_the_command_asks_and_prints_the_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        backends, "BACKEND_KINDS", (backends.BackendKind("", __name__, "InProcess", "in this process"),)
    )
    assert tui.cli.main(["reverse", "abc"]) == 0
    assert capsys.readouterr().out == "cba\n"
    with pytest.raises(SystemExit, match="0"):
        tui.cli.main(["--help"])
    assert "a text backwards" in capsys.readouterr().out
