"""Conversations that an earlier version saved open as they were, X-ray included."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path

import pytest

from tests.tui.conftest import Launch
from tui.transcript.turn import Turn

SAVED = Path(__file__).parents[2] / "saved_before"
"""As version 0.1.0 wrote them."""


BRANCHES = [
    ", there was a big, hairy dog",
    " a little girl named Lily. She loved",
    " to play outside with her friends. One",
]
SETTINGS = ["-tig [brung like an", " was a very nice thing to do.", ' very happy. She said, "Thank']


@pytest.mark.parametrize(
    ("name", "turns", "texts"),
    [("conversation-branches.jsonl", 2, BRANCHES), ("conversation-settings.jsonl", 3, SETTINGS)],
)
async def test_a_conversation_of_an_earlier_version_opens(
    launch: Launch, conversations: Path, name: str, turns: int, texts: list[str]
) -> None:
    os.makedirs(conversations)
    shutil.copyfile(SAVED / name, conversations / name)
    async with launch() as running:
        await running.until(lambda: len(running.screen.query(Turn)) == turns)
        kept = running.screen.runs.kept
        assert ["".join(step.text for step in run.steps[0]) for run in kept] == texts
        assert all(step.candidates for run in kept for steps in run.steps for step in steps)
        await running.pilot.press("f9")
        await running.until(lambda: running.screen.ribbon.has_focus_within)
    assert filecmp.cmp(conversations / name, SAVED / name, shallow=False)
