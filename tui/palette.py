"""The command palette: models, presets, and what the keys do, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from textual.app import App
from textual.command import DiscoveryHit, Hit, Hits, Provider

from core.errors import EngineError
from core.messages.sampling_params import PRESETS
from core.models.registry import STARTERS, Task, cached_models, read_config
from core.precision import Precision
from tui.lab.catalogue import LABS
from tui.main.screen import MainScreen
from tui.widgets.dialogs import NameDialog

_Command: TypeAlias = tuple[str, str, Callable[[], object]]
"""Name, help text, and what it does."""


class _Commands(Provider):
    """Commands by name."""

    async def discover(self) -> Hits:
        """Every command, before anything is typed."""
        for name, help_text, run in self._commands():
            yield DiscoveryHit(name, run, help=help_text)

    async def search(self, query: str) -> Hits:
        """The commands that match."""
        matcher = self.matcher(query)
        for name, help_text, run in self._commands():
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), run, help=help_text)

    def _commands(self) -> Iterator[_Command]:
        raise NotImplementedError


class LabCommands(_Commands):
    """The panes of the lab, from everywhere."""

    def _commands(self) -> Iterator[_Command]:
        for lab in LABS:
            yield f"Lab: {lab.title}", "Open this pane of the lab (F6)", partial(_open_lab, self.app, lab.name)


class MainCommands(_Commands):
    """Commands of the main screen."""

    def _commands(self) -> Iterator[_Command]:
        screen = self.screen
        if not isinstance(screen, MainScreen):
            return
        yield "Run again", "The last prompt, with a new seed (ctrl+r)", screen.action_run_again
        yield "Continue", "Let the model write on (ctrl+n)", screen.action_continue_run
        yield "Conversations…", "List, search, open and delete them (ctrl+l)", screen.action_show_conversations
        yield "New conversation", "This one stays in the list (ctrl+t)", screen.action_new_conversation
        yield "Tokens: switch view", "Both, the generator's, BERT's, special tokens", screen.tokens.action_switch
        yield "Models…", "Use, download, verify, delete them (F8)", partial(_open_models, self.app)
        for preset in PRESETS:
            yield f"Sampling: {preset}", "Use these settings", partial(screen.sampling.use_preset, preset)
        for model, note in _causal_models():
            yield f"Model: {model}", note, partial(_use_model, screen, model)
        for precision in Precision:
            yield f"Precision: {precision}", precision.note, partial(_use_precision, screen, precision)
        from tui.export import actions as take_away  # not needed for the first frame

        yield from take_away.commands(screen)
        yield "Model: another…", "A folder or a hub name in the cache", partial(_ask_for_model, screen)


def _causal_models() -> Iterator[tuple[str, str]]:
    for spec in STARTERS.values():
        if spec.task is Task.CAUSAL_LM:
            yield spec.name, f"bundled: {spec.summary}"
    for model in cached_models():
        try:
            architecture = str((read_config(model).get("architectures") or [""])[0])
        except EngineError:
            continue  # a broken entry of the cache is not offered
        if architecture.endswith(("ForCausalLM", "LMHeadModel")):
            yield model.name, f"in the Hugging Face cache: {architecture}"


def _open_lab(app: App[object], lab: str) -> None:
    app.call_later(app.run_action, f"open_lab('{lab}')")


def _open_models(app: App[object]) -> None:
    app.call_later(app.run_action, "open_models")


def _use_model(screen: MainScreen, name: str) -> None:
    screen.target = replace(screen.target, model=name)


def _use_precision(screen: MainScreen, precision: str) -> None:
    screen.target = replace(screen.target, dtype=precision)


def _ask_for_model(screen: MainScreen) -> None:
    def use(name: str | None) -> None:
        if name:
            _use_model(screen, name)

    screen.app.push_screen(NameDialog("Which model? A folder, or a hub name that is in the cache.", "gpt2"), use)
