"""Every key that anything in the interface binds: pressed where it is bound, it does what it is bound to.

The bindings are collected from the classes themselves. One that is nowhere pressed fails here: give its class a place.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterator
from functools import cache, partial, wraps
from typing import Any

import pytest
from textual.actions import parse
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

import tui
from core.lab.sentence_pairs import CompareAll
from core.messages.protocol import Ask, Compare, Done, Event, Scored, ScoreTokens, Work
from core.messages.records import TokenScore
from tests.tui import branching
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import FakeEngine, answer_comparison
from tests.tui.lab.test_similarity import script as similarities
from tui.conversations.dialog import ConversationsDialog
from tui.keys import KEYS_HELP
from tui.lab.catalogue import LABS
from tui.widgets.dialogs import ChoiceDialog, HelpDialog, NameDialog
from tui.widgets.pictures.pair_map import PairMap

Kind = type[DOMNode]
Arrive = Callable[[Running], Awaitable[object]]


@cache
def binding_kinds() -> dict[str, Kind]:
    """Every class of the interface that binds keys of its own, by name."""
    kinds: dict[str, Kind] = {}
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        for name, kind in vars(importlib.import_module(module.name)).items():
            is_own = isinstance(kind, type) and issubclass(kind, DOMNode) and kind.__module__ == module.name
            if is_own and kind.__dict__.get("BINDINGS"):
                assert name not in kinds, f"two classes are called {name}"
                kinds[name] = kind
    return kinds


def bindings(kind: Kind) -> list[Binding]:
    """A class's own bindings, one a key."""
    return list(Binding.make_bindings(kind.__dict__["BINDINGS"]))


# -- where each class is to be met ------------------------------------------------------------------------------------


def script(request: Work) -> list[Event]:
    """Answers everything with something, at once."""
    match request:
        case ScoreTokens():
            scores = tuple(TokenScore(id_, " x", " x", -0.5, 2, 1.0) for id_ in request.ids)
            return [Scored(request.id, scores), Done(request.id)]
        case Compare():
            return answer_comparison(request)
        case Ask(question=CompareAll()):
            return similarities(request)
        case Ask():
            return [Done(request.id)]
        case _:
            return branching.script(request)


async def home(running: Running) -> None:
    """Back to the main screen."""
    while len(running.app.screen_stack) > 1:
        running.app.pop_screen()
        await running.pilot.pause()


async def press(running: Running, *keys: str) -> None:
    """Press keys on the main screen."""
    await home(running)
    await running.pilot.press(*keys)


async def look_at_tokens(running: Running) -> None:
    """Stand in the X-ray of the last run."""
    await home(running)
    assert running.screen.xray.open()
    running.screen.show_xray()
    await running.until(lambda: running.screen.ribbon.view.has_focus and running.screen.ribbon.view.tokens)


async def open_lab(lab: str, running: Running) -> None:
    """Go to a pane of the lab."""
    await home(running)
    await running.app.run_action(f"open_lab('{lab}')")
    await running.pilot.pause()


async def open_screen(make: Callable[[Running], Screen[Any]], running: Running) -> None:
    """Put a screen over the main one."""
    await home(running)
    await running.app.push_screen(make(running))
    await running.pilot.pause()


async def list_conversations(running: Running) -> None:
    """Open the list, and wait until it has rows."""
    await press(running, "ctrl+l")
    await running.until(lambda: isinstance(running.app.screen, ConversationsDialog))
    dialog = running.app.screen
    assert isinstance(dialog, ConversationsDialog)
    await running.until(lambda: "reading" not in str(dialog.query_one("#conversations-note").render()))


async def export(running: Running) -> None:
    """Open the dialog that exports."""
    from tui.export.export_dialog import ExportDialog, Format, Scope

    scopes = [Scope(name, name, {one: lambda: "" for one in Format}) for name in ("run 1", "run 2", "all")]
    await open_screen(lambda _: ExportDialog(scopes[:2], 0, scopes[2]), running)


async def show_map(running: Running) -> None:
    """Open the map of all pairs of sentences."""
    await open_lab("similarity", running)
    if not is_there(PairMap, running):
        await running.pilot.press("ctrl+t")
    await running.until(lambda: is_there(PairMap, running))


async def show_branches(running: Running) -> None:
    """Open the tree of branches."""
    await look_at_tokens(running)
    await running.pilot.press("b")
    await running.until(lambda: len(running.app.screen_stack) > 1)


async def open_models(running: Running) -> None:
    """Open the list of models."""
    await press(running, "f8")
    await running.until(lambda: len(running.app.screen_stack) > 1)


async def ask_for_download(running: Running) -> None:
    """Open the question before a download."""
    from tui.models.plan_dialog import PlanDialog

    await open_screen(lambda _: PlanDialog(["a model"], "1 MB"), running)


def lab_of(name: str) -> str:
    """The lab in which a class of the lab's is met."""
    inside = {"AttentionGrid": "attention", "NumberField": "masking", "TrainingPane": "distil"}
    for lab in LABS:
        if lab.pane.endswith(f":{name}") or inside.get(name) == lab.name:
            return lab.name
    raise AssertionError(f"{name} is in no lab")


PLACES: dict[str, Arrive] = {
    "NlpTui": home,
    "MainScreen": home,
    "ConversationPane": lambda running: press(running, "f2"),
    "PromptPane": lambda running: press(running, "escape"),
    "TokensPane": lambda running: press(running, "f3"),
    "SamplingPane": lambda running: press(running, "f4"),
    "SettingInput": lambda running: press(running, "f4"),
    "SimilarityPane": lambda running: press(running, "f5"),
    "CandidateList": lambda running: press(running, "escape", "f7"),
    "RibbonView": look_at_tokens,
    "WrappedView": look_at_tokens,
    "BranchList": show_branches,
    "BranchesDialog": show_branches,
    "ConversationsDialog": list_conversations,
    "HelpDialog": partial(open_screen, lambda _: HelpDialog("# Help", KEYS_HELP)),
    "ChoiceDialog": partial(open_screen, lambda _: ChoiceDialog("Well?", "Yes", "No")),
    "NameDialog": partial(open_screen, lambda _: NameDialog("Which?", "this")),
    "NameField": export,
    "ExportDialog": export,
    "LabScreen": partial(open_lab, "fill"),
    "ModelsScreen": open_models,
    "ModelsTable": open_models,
    "PairMap": show_map,
    "PlanDialog": ask_for_download,
}
"""How to come to where a class is. Those of the lab are found by themselves."""


def place_of(name: str) -> Arrive:
    """How to come to where a class is."""
    return PLACES.get(name) or partial(open_lab, lab_of(name))


# -- pressing ---------------------------------------------------------------------------------------------------------


class Called:
    """Records which actions were called with what, and lets them act."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._wrapped: set[tuple[type, str]] = set()
        self.calls: list[tuple[type, str, tuple[object, ...]]] = []

    def listen(self, kind: type, action: str) -> None:
        """Record the calls of an action's method on a class."""
        if (kind, action) in self._wrapped:
            return
        self._wrapped.add((kind, action))
        name = next(name for name in (f"_action_{action}", f"action_{action}") if hasattr(kind, name))
        method = getattr(kind, name)

        @wraps(method)
        def record(node: DOMNode, *arguments: object) -> object:
            self.calls.append((kind, action, arguments))
            return method(node, *arguments)

        self._patch.setattr(kind, name, record)


def target_of(kind: Kind, binding: Binding, running: Running) -> tuple[type, str, tuple[object, ...]]:
    """Whose action a key is bound to, its name, and its arguments."""
    namespace, action, arguments = parse(binding.action)
    owners: dict[str, type] = {"app": type(running.app), "screen": type(running.app.screen), "": kind}
    return owners[namespace], action, arguments


def is_there(kind: Kind, running: Running) -> list[DOMNode]:
    """The instances of a class that can be seen now."""
    if issubclass(kind, App):
        return [running.app]
    screen = running.app.screen
    if isinstance(screen, kind):
        return [screen]
    return [widget for widget in screen.query("*") if isinstance(widget, kind) and widget.is_on_screen]


def focuses(node: DOMNode, running: Running) -> Iterator[Widget | None]:
    """Where the focus may be for a node to be told of a key: as it is, on it, or inside it."""
    yield running.app.focused
    if isinstance(node, Widget) and node.focusable:
        yield node
    if isinstance(node, Widget):
        yield from [widget for widget in node.query("*") if widget.focusable]


async def works(kind: Kind, binding: Binding, running: Running, called: Called) -> bool:
    """Whether pressing a key, wherever its class can have it, calls the action."""
    if not is_there(kind, running):
        await place_of(kind.__name__)(running)
    wanted = target_of(kind, binding, running)
    called.listen(*wanted[:2])
    nodes = is_there(kind, running)
    assert nodes, f"no {kind.__name__} can be seen: give it a place in PLACES"
    for node in nodes:
        for focus in list(focuses(node, running)):
            if focus is not None:
                focus.focus()
            called.calls.clear()
            await running.pilot.press(binding.key)
            if wanted in called.calls:
                return True
            if node not in is_there(kind, running):
                await place_of(kind.__name__)(running)
    return False


def has_run(running: Running, number: int) -> bool:
    """Whether so many runs are over."""
    return not running.screen.runs.is_busy and len(running.screen.runs.kept) == number


def room_of(kind: Kind) -> str:
    """Which of the rooms of the interface a class stands in."""
    if kind.__name__ not in PLACES:
        return "lab"
    return "over the panes" if issubclass(kind, Screen) else "panes"


@pytest.mark.parametrize("room", ["panes", "over the panes", "lab"])
@pytest.mark.slow
async def test_every_key_does_what_it_is_bound_to(room: str, launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, called, dead = FakeEngine(), Called(monkeypatch), list[str]()
    engine.script = script
    async with launch(engine=engine, size=(130, 45)) as running:
        for number in (1, 2):
            running.screen.prompt.text = "Once upon"
            await running.pilot.press("enter")
            await running.until(partial(has_run, running, number))
        for name, kind in binding_kinds().items():
            for binding in bindings(kind) if room_of(kind) == room and name != "NlpTui" else ():
                if not await works(kind, binding, running, called):
                    dead.append(f"{name}: {binding.key} does not call {binding.action}")
        assert dead == []
        assert running.app.is_running


@pytest.mark.smoke
async def test_ctrl_q_quits(launch: Launch) -> None:
    (binding,) = bindings(binding_kinds()["NlpTui"])
    assert (binding.key, binding.action) == ("ctrl+q", "quit")
    async with launch() as running:
        await running.pilot.press(binding.key)
        await running.until(lambda: not running.app.is_running)


def test_every_binding_says_what_it_does() -> None:
    for name, kind in binding_kinds().items():
        for binding in bindings(kind):
            assert binding.description, f"{name}: {binding.key}"
