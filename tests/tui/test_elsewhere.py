"""The program on a backend that can only write: it writes, and what it cannot is said in one line each."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core.backends import catalogue
from core.backends.catalogue import BackendKind
from core.messages.protocol import Generate, Load
from core.messages.records import Ability, Target
from tests.toy.backend import WORDS, ToyBackend
from tests.tui.conftest import until
from tui.app import NlpTui
from tui.cli import main
from tui.lab.screen import LabScreen
from tui.main.screen import MainScreen
from tui.models.screen import ModelsScreen

PROMPT = "Once"
TEXT = "".join(WORDS)


@pytest.fixture(autouse=True)
def toy_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy has the empty address, which otherwise is the engine process's."""
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setattr(catalogue, "BACKEND_KINDS", (BackendKind("", "tests.toy.backend", "ToyBackend", "two words"),))


def refusal(ability: Ability, model: str = "toy") -> str:
    """The one line that says what cannot be done."""
    return f"the backend of {model} cannot {ability}. hint: the engine of this machine can"


# -- commands ---------------------------------------------------------------------------------------------------------


def test_generate_writes_through_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", PROMPT, "--model", "toy", "--json"]) == 0
    run, *tokens, done = map(json.loads, capsys.readouterr().out.splitlines())
    assert (run["model"], run["prompt"], run["device"]) == ("toy", PROMPT, "elsewhere")
    assert [token["text"] for token in tokens] == list(WORDS)
    assert (done["text"], done["weights"]) == (TEXT, "")
    assert main(["generate", PROMPT, "--model", "toy"]) == 0
    assert capsys.readouterr().out == f"{PROMPT}{TEXT}\n"


@pytest.mark.parametrize(
    ("command", "ability"),
    [
        (("next", PROMPT), Ability.DISTRIBUTION),
        (("similar", "a", "b"), Ability.COMPARISON),
        (("fill", "a [MASK]"), Ability.LAB),
        (("sentiment", "fine"), Ability.LAB),
        (("bench",), Ability.PLACEMENT),
        (("generate", PROMPT, "--device", "cpu"), Ability.PLACEMENT),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_it_cannot_do_is_one_error_line(
    command: tuple[str, ...], ability: Ability, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--model", "toy"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {refusal(ability)}"


def test_a_record_is_not_repeated_by_it(
    capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert main(["generate", PROMPT, "--model", "toy", "--json"]) == 0
    record = tmp_path_factory.mktemp("record") / "run.jsonl"
    record.write_text(capsys.readouterr().out)
    assert main(["replay", str(record)]) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {refusal(Ability.PLACEMENT)}"]


# -- the app ----------------------------------------------------------------------------------------------------------


class Elsewhere:
    """An app on the toy backend."""

    def __init__(self, pilot: Pilot[None], screen: MainScreen) -> None:
        self.pilot = pilot
        self.screen = screen

    @property
    def backend(self) -> ToyBackend:
        """The one that the catalogue made."""
        assert isinstance(self.screen.backend, ToyBackend)
        return self.screen.backend

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the app run until something is true."""
        await until(self.pilot, condition)

    def line(self, selector: str) -> str:
        """What a line of the screen on top says."""
        return str(self.pilot.app.screen.query_one(selector, Static).content)

    def toasts(self) -> list[str]:
        """Every notification so far."""
        return [str(toast.message) for toast in self.pilot.app._notifications]


@asynccontextmanager
async def opened() -> AsyncIterator[Elsewhere]:
    """The app, once its prompt has been run; at its end, that it asked only for what can be done."""
    app = NlpTui(prompt=PROMPT, model="toy", restore=False)
    async with app.run_test(size=(140, 40), notifications=True) as pilot:
        assert isinstance(app.screen, MainScreen)
        here = Elsewhere(pilot, app.screen)
        await here.until(lambda: here.screen.status.state == "ready")
        await pilot.press("enter")
        await here.until(lambda: here.screen.runs.kept and here.screen.runs.kept[0].ends)
        yield here
        assert {type(request) for request in here.backend.requests} == {Load, Generate}


async def test_the_app_writes_through_it_and_says_where_the_tokens_are_not() -> None:
    async with opened() as here:
        assert here.screen.runs.kept[0].turn.text == PROMPT + TEXT
        await here.until(lambda: here.line("#generator-heading") == "the tokenizer of toy is not on this machine")
        await here.until(lambda: here.screen.tokens.wordpiece_view.pieces)
        assert here.screen.tokens.generator_view.pieces == ()
        assert here.toasts() == []


async def test_the_candidates_say_that_there_is_no_distribution() -> None:
    async with opened() as here:
        await here.pilot.press("f7")
        await here.until(lambda: here.line("#candidate-summary") == refusal(Ability.DISTRIBUTION))


async def test_the_xray_shows_the_run_and_says_that_its_prompt_is_not_scored() -> None:
    async with opened() as here:
        await here.pilot.press("f9")
        await here.until(lambda: here.toasts() == [refusal(Ability.SCORES)])
        assert [token.text for token in here.screen.ribbon.view.tokens] == ["…", *WORDS]
        await here.until(lambda: here.line("#candidate-summary") == refusal(Ability.DISTRIBUTION))


async def test_a_pair_is_not_compared() -> None:
    async with opened() as here:
        await here.pilot.press("f5")
        for box, text in zip(here.screen.similarity.query(Input), ("a", "b"), strict=True):
            box.value = text
        await here.pilot.press("enter")
        await here.until(lambda: here.line("#similarity-answer") == refusal(Ability.COMPARISON))


async def test_the_lab_asks_nothing_and_its_panes_without_a_model_still_answer() -> None:
    async with opened() as here:
        await here.pilot.press("f6")
        await here.until(lambda: here.line("#lab-fill .lab-note") == refusal(Ability.LAB))
        lab = here.pilot.app.screen
        assert isinstance(lab, LabScreen)
        await lab.show("softmax")
        await here.until(lambda: "entropy" in here.line("#lab-softmax .lab-note"))


async def test_no_device_is_chosen_for_it() -> None:
    async with opened() as here:
        await here.pilot.press("f8")
        models = here.pilot.app.screen
        assert isinstance(models, ModelsScreen)
        await here.until(lambda: models.query("#models-device"))
        models.settings.devices.value = "cpu"
        await here.until(lambda: here.line("#models-note") == refusal(Ability.PLACEMENT))
        assert models.settings.devices.value == "auto"
        assert here.screen.target.device == "auto"


async def test_a_changed_setting_waits_for_the_next_run_and_exact_tokens_are_not_asked_for() -> None:
    async with opened() as here:
        kept = here.screen.runs.kept[0]
        here.screen.runs._reply = await here.backend.send(Generate(Target("toy"), PROMPT, kept.params))
        here.screen.sampling.turn("temperature", 1)
        await here.until(lambda: here.screen.status.state == refusal(Ability.RETUNING))
        here.screen.runs._reply = None
        asked = len(here.backend.requests)
        here.screen.runs.start(PROMPT, prompt_ids=(1,))
        await here.until(lambda: here.screen.status.state == refusal(Ability.EXACT_TOKENS).partition(". hint")[0])
        assert len(here.backend.requests) == asked
