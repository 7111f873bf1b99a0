"""The lab's screen: how one gets in, around, and out, and what happens to questions on the way."""

from __future__ import annotations

import re
from functools import partial
from importlib import import_module

import pytest

from core.errors import ModelNotFoundError
from core.messages.protocol import Answered, Ask, Cancel, Done, Event, Failed, Progress, Work
from tests.tui.conftest import Launch
from tests.tui.lab.lab import answering, opened, questions
from tests.tui.lab.test_fill import ANSWER
from tui.lab.catalogue import LABS, Lab
from tui.lab.masked_lm.fill_pane import FillPane
from tui.lab.pane import LabPane
from tui.lab.screen import LabScreen
from tui.main.screen import MainScreen


def shows(screen: LabScreen, lab: Lab) -> bool:
    """Whether a lab is the one on screen."""
    return screen.pane is not None and screen.pane.lab == lab


@pytest.mark.smoke
async def test_f6_opens_the_lab_and_escape_leaves_it_as_it_was(launch: Launch) -> None:
    async with launch() as running:
        running.engine.script = answering(ANSWER)
        await running.pilot.press("f6")
        await running.until(lambda: isinstance(running.app.screen, LabScreen))
        lab = running.app.screen
        assert isinstance(lab, LabScreen)
        await running.until(lambda: lab.pane is not None and lab.pane.has_focus_within)
        pane = lab.pane
        assert isinstance(pane, FillPane)
        pane.text.value = "The [MASK] sat."
        await running.pilot.press("escape")
        await running.until(lambda: isinstance(running.app.screen, MainScreen))
        await running.pilot.press("f6")
        await running.until(lambda: running.app.screen is lab)
        assert pane.text.value == "The [MASK] sat."


@pytest.mark.slow
async def test_every_lab_opens_by_key_and_by_the_palette_s_command() -> None:
    async with opened(FillPane, ANSWER) as (running, _):
        screen = running.app.screen
        assert isinstance(screen, LabScreen)
        for lab in [*LABS[1:], LABS[0]]:
            await running.pilot.press("f8")
            await running.until(partial(shows, screen, lab))
        await running.pilot.press("f7")
        await running.until(lambda: shows(screen, LABS[-1]))
        await running.app.run_action(f"open_lab('{LABS[0].name}')")
        await running.until(lambda: shows(screen, LABS[0]))


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
async def test_every_pane_explains_itself_in_three_sentences(lab: Lab) -> None:
    module, name = lab.pane.split(":")
    kind: type[LabPane] = getattr(import_module(module), name)
    idea = kind.HELP.strip().split("\n\n")[1]
    assert len(re.findall(r"[.!?](?=\s+[A-Z*`]|$)", idea)) == 3
    async with opened(kind) as (running, _):
        await running.pilot.press("f1")
        await running.until(lambda: type(running.app.screen).__name__ == "HelpDialog")


async def test_a_newer_question_takes_the_older_one_s_place() -> None:
    def begun(request: Work) -> list[Event]:
        return [Progress(request.id, "importing transformers", 0.1)] if isinstance(request, Ask) else []

    async with opened(FillPane, script=begun) as (running, pane):
        await running.until(lambda: len(questions(running.engine)) == 1)
        await running.until(lambda: "importing" in str(pane.query_one(".lab-note").render()))
        pane.text.value = "A [MASK]."
        await running.until(lambda: len(questions(running.engine)) == 2)
        await running.until(lambda: running.engine.of(Cancel))


async def test_escape_first_stops_the_question(launch: Launch) -> None:
    async with launch(size=(80, 24)) as running:
        await running.app.action_open_lab("fill")
        await running.until(lambda: len(questions(running.engine)) == 1)
        await running.pilot.press("escape")
        await running.until(lambda: running.engine.of(Cancel))
        assert isinstance(running.app.screen, LabScreen)
        await running.pilot.press("escape")
        await running.until(lambda: isinstance(running.app.screen, MainScreen))


async def test_a_failed_question_is_one_line_and_the_next_is_answered() -> None:
    def script(request: Work) -> list[Event]:
        if not isinstance(request, Ask):
            return []
        if getattr(request.question, "model", "") == "no/such":
            return [Failed(request.id, ModelNotFoundError.__name__, "model 'no/such' is not here", "use a starter")]
        return [Answered(request.id, ANSWER), Done(request.id)]

    async with opened(FillPane, script=script) as (running, pane):
        box = pane.query_one("#fill-model")
        box.value = "no/such"  # type: ignore[attr-defined]
        box.focus()
        await running.pilot.press("enter")
        await running.until(lambda: "no/such" in str(pane.query_one(".lab-note").render()))
        box.value = "starter/bert"  # type: ignore[attr-defined]
        await running.pilot.press("enter")
        await running.until(lambda: "all masks at once" in str(pane.query_one(".lab-note").render()))
