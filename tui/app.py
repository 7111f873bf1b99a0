"""The app: theme, style sheet, palette and the main screen. Everything else has a room of its own."""

from __future__ import annotations

import gc
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from core.backends.backend import Backend
from core.backends.catalogue import open_backend
from core.messages.records import Target
from core.models.registry import DEFAULT_GENERATOR
from tui.main.screen import MainScreen
from tui.palette import LabCommands, MainCommands


class NlpTui(App[None]):
    """nlp-tui in a terminal."""

    TITLE = "nlp-tui"
    CSS_PATH = "app.tcss"
    COMMANDS = App.COMMANDS | {MainCommands, LabCommands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", tooltip="Leave nlp-tui", priority=True),
    ]

    def __init__(
        self,
        *,
        prompt: str = "",
        model: str = DEFAULT_GENERATOR,
        device: str = "auto",
        dtype: str = "auto",
        engine: Backend | None = None,
        restore: bool = True,
        offline: bool = False,
    ) -> None:
        """Prepare the app.

        Args:
            prompt: a first prompt, written but not run.
            model: the causal model to load.
            device: auto, cuda, mps, xpu or cpu.
            dtype: auto, float32, float16 or bfloat16.
            engine: stands in for the engine process in tests.
            restore: show the last conversation again, unless there is a first prompt.
            offline: open no connection, whatever is asked for.
        """
        super().__init__()
        self._engine = engine or open_backend()
        self._target = Target(model, device, dtype)
        self._prompt = prompt
        self._restore = restore and not prompt
        self._offline = offline

    async def on_load(self) -> None:
        """Start the engine process before anything is painted: its imports take the longest."""
        await self._engine.start()

    def on_ready(self) -> None:
        """After the first frame: collect garbage again, but seldom, and never look at what start-up made."""
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        gc.enable()

    async def action_open_lab(self, lab: str = "") -> None:
        """Show the lab, at one of its panes or where it was left."""
        from tui.lab.screen import LabScreen  # which the first frame does without

        screen = next((one for one in self._installed_screens.values() if isinstance(one, LabScreen)), None)
        if screen is None:
            screen = LabScreen(self._engine, self._target)
            self.install_screen(screen, "lab")
        if isinstance(self.screen, MainScreen):
            screen.run_on(self.screen.target.device, self.screen.status.model)
        if self.screen is not screen:
            await self.push_screen(screen)
        if lab or screen.pane is None:
            await screen.show(lab or "fill")

    async def action_open_models(self) -> None:
        """Show every model of this machine."""
        from tui.models.screen import ModelsScreen  # the list and downloads, which the first frame does without

        main = self.screen
        if not isinstance(main, MainScreen):
            return
        screen = next((one for one in self._installed_screens.values() if isinstance(one, ModelsScreen)), None)
        if screen is None:
            screen = ModelsScreen(main, forbid_network=self._offline)
            self.install_screen(screen, "models")
        await self.push_screen(screen)
        screen.begin()

    def action_take(self, thing: str) -> None:
        """Copy something of the main screen; `thing` names a member of `take_away.Thing`."""
        from tui.export.actions import Thing, take  # not needed for the first frame

        if isinstance(self.screen, MainScreen):
            take(self.screen, Thing[thing.upper()])

    def action_show_branches(self) -> None:
        """Show the runs of a prompt as a tree."""
        from tui.export.actions import show_branches  # not needed for the first frame

        if isinstance(self.screen, MainScreen):
            show_branches(self.screen)

    def get_css_variables(self) -> dict[str, str]:
        """The theme's colours and that of the frame that has the focus, made readable where the ground is light."""
        variables = super().get_css_variables()
        variables["focus-frame"] = variables["accent"]
        theme = self.current_theme
        if not theme.dark and not theme.ansi:
            from tui.widgets.contrast import readable  # only the light themes need it

            variables = self.theme_variables = readable(variables)
        return variables

    def get_default_screen(self) -> Screen[None]:
        """The one main screen."""
        return MainScreen(self._engine, self._target, self._prompt, restore=self._restore)
