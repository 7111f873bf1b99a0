"""The main screen: composes the panes, owns the state of the run, and alone talks to the engine."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.getters import query_one
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Footer, Tab, Tabs

from core.client import Engine, Reply
from core.errors import EngineError, EngineStoppedError, PromptTooLongError
from core.protocol import (
    BeamsAdvanced,
    Compare,
    Compared,
    Generate,
    Load,
    Loaded,
    Progress,
    RunStarted,
    SequenceDone,
    TokenGenerated,
)
from core.records import ModelInfo, SamplingParams, describe_way
from core.registry import DEFAULT_PARAPHRASER
from tui.dialogs import ChoiceDialog, HelpDialog
from tui.live_tokens import LiveTokens
from tui.panes.conversation import ConversationPane, Turn, describe_ending
from tui.panes.prompt import PromptPane
from tui.panes.sampling import SamplingPane
from tui.panes.similarity import SimilarityPane
from tui.panes.status import StatusLine
from tui.panes.tokens import TokensPane

_PANES = ("conversation", "tokens", "sampling", "similarity")

WIDE_COLUMNS, WIDE_ROWS = 100, 30
"""From this size on all panes are side by side; below, they fold into tabs."""

SPEED_S = 0.2
"""How often the speed of a run is shown anew at most."""

RESTARTS = 3
"""How often an engine that dies before it has loaded a model is started again by itself."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which model runs where."""

    model: str
    device: str = "auto"
    dtype: str = "auto"


class MainScreen(Screen[None]):
    """Conversation, prompt, tokens, sampling, similarity and status on one screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Stop", tooltip="Stop the run, else go back to the prompt", priority=True),
        Binding("f1", "help", "Help", tooltip="Explain the focused pane"),
        Binding("f2", "show_pane('conversation')", "Conversation", show=False),
        Binding("f3", "show_pane('tokens')", "Tokens", show=False),
        Binding("f4", "show_pane('sampling')", "Sampling", show=False),
        Binding("f5", "show_pane('similarity')", "Similarity", show=False),
        Binding("f6", "app.open_lab", "Lab", tooltip="Fill masks, sentiment, attention and more", priority=True),
        Binding("ctrl+r", "run_again", "Again", tooltip="Run the last prompt again", priority=True),
        Binding("ctrl+n", "continue_run", "Continue", tooltip="Let the model write on", priority=True),
    ]

    conversation = query_one("#conversation", ConversationPane)
    prompt = query_one("#prompt", PromptPane)
    tokens = query_one("#tokens", TokensPane)
    sampling = query_one("#sampling", SamplingPane)
    similarity = query_one("#similarity", SimilarityPane)
    status = query_one(StatusLine)

    folded = reactive(False, toggle_class="-folded")
    """Whether the terminal is too small for all panes at once."""
    pane = reactive("conversation", init=False)
    """The pane that is shown when folded."""
    target: reactive[Target] = reactive(Target(""))
    run: reactive[Reply | None] = reactive(None)
    """The run under way."""

    def __init__(self, engine: Engine, target: Target, prompt: str = "") -> None:
        super().__init__(classes="-show-conversation")  # set before styles are worked out, which is what costs
        self._engine = engine
        self.set_reactive(MainScreen.target, target)
        self._first_prompt = prompt
        self._turn: Turn | None = None
        self._restarts_left = RESTARTS
        self._live_tokens = LiveTokens(self)

    def compose(self) -> ComposeResult:
        """All panes; the style sheet arranges them."""
        yield Tabs(
            *(Tab(f"F{key} {name.capitalize()}", id=f"tab-{name}") for key, name in enumerate(_PANES, start=2)),
            id="pane-tabs",
        )
        with Container(id="body"):
            yield ConversationPane(id="conversation")
            with Vertical(id="side"):
                yield TokensPane(id="tokens")
                yield SamplingPane(id="sampling")
                yield SimilarityPane(id="similarity")
            yield PromptPane(self._first_prompt, id="prompt")
        yield StatusLine()
        yield Footer()

    async def on_mount(self) -> None:
        """Start the engine before the first frame; everything slow comes after it."""
        self.prompt.focus()
        self.status.wanted_model = self.target.model
        self.load_model()
        self.call_after_refresh(self._live_tokens.begin, self.target.model)

    async def on_unmount(self) -> None:
        """Leave no engine behind."""
        await self._engine.close()

    def on_resize(self, event: events.Resize) -> None:
        """Fold into tabs when the terminal is small."""
        self.folded = event.size.width < WIDE_COLUMNS or event.size.height < WIDE_ROWS

    def watch_pane(self, pane: str) -> None:
        """Show one pane when folded."""
        with self.app.batch_update():
            for name in _PANES:
                self.set_class(name == pane, f"-show-{name}")
            self.query_one(Tabs).active = f"tab-{pane}"

    def watch_target(self, target: Target) -> None:
        """Load another model."""
        if self.is_mounted:
            self.status.model = None
            self.status.wanted_model = target.model
            self.load_model()
            self._live_tokens.begin(target.model)

    # -- actions ------------------------------------------------------------------------------------------------------

    def action_back(self) -> None:
        """Stop the run; when none runs, go back to the prompt."""
        if self.run is not None:
            self.run.cancel()
            self.status.state = "stopping"
            return
        self.pane = "conversation"
        self.prompt.focus()

    def action_help(self) -> None:
        """Explain the focused pane."""
        widgets = self.focused.ancestors_with_self if self.focused is not None else []
        helps = (widget.HELP for widget in widgets if getattr(widget, "HELP", None))
        self.app.push_screen(HelpDialog(next(helps, None) or PromptPane.HELP))

    def action_show_pane(self, name: str) -> None:
        """Go to a pane, unfolding its tab."""
        self.pane = name
        pane = self.query_one(f"#{name}")
        inside = [pane, *pane.query("Input"), *pane.query("*")]  # a field to write in before a button
        next(widget for widget in inside if widget.focusable).focus()

    def action_run_again(self) -> None:
        """Run the last prompt anew."""
        if self._turn is not None:
            self.generate(self._turn.prompt)

    def action_continue_run(self) -> None:
        """Let the model write on after its last answer."""
        if self._turn is not None and self._turn.text.strip():
            self.generate(self._turn.text, self._turn)

    # -- messages from the panes --------------------------------------------------------------------------------------

    @on(Tabs.TabActivated)
    def _show_tab(self, event: Tabs.TabActivated) -> None:
        event.stop()
        self.pane = (event.tab.id or "").removeprefix("tab-")

    @on(PromptPane.PromptChanged)
    def _break_down(self, event: PromptPane.PromptChanged) -> None:
        event.stop()
        self._live_tokens.show(event.text)

    @on(PromptPane.RunRequested)
    def _start_run(self, event: PromptPane.RunRequested) -> None:
        event.stop()
        if not event.text.strip():
            self.notify("Write a prompt first, for example: Once upon a time", markup=False)
            return
        self.prompt.select_all()
        self.generate(event.text)

    @on(SamplingPane.ParamsChanged)
    def _note_params(self, event: SamplingPane.ParamsChanged) -> None:
        event.stop()

    @on(SimilarityPane.CompareRequested)
    def _start_comparison(self, event: SimilarityPane.CompareRequested) -> None:
        event.stop()
        self.compare(event.first, event.second)

    # -- work with the engine -----------------------------------------------------------------------------------------

    @work(exclusive=True, group="load", exit_on_error=False)
    async def load_model(self) -> None:
        """Have the model ready, in the background."""
        target = self.target
        self._say("starting the engine")
        try:
            reply = await self._engine.send(Load(0, target.model, target.device, target.dtype))
            async for event in reply:
                if isinstance(event, Progress):
                    self._say(f"loading {event.fraction:.0%} {event.stage}")
                elif isinstance(event, Loaded):
                    self._show_model(event.info)
                    self._restarts_left = RESTARTS
                    self._say("ready")
        except EngineError as error:
            self._say_failure(error)
            if isinstance(error, EngineStoppedError):
                self._restart_engine()

    @work(exclusive=True, group="generate", exit_on_error=False)
    async def _generate(self, prompt: str, turn: Turn, *, truncate: bool = False) -> None:
        """Stream one run into a turn."""
        params, target = self._run_params(), self.target
        try:
            request = Generate(0, target.model, prompt, params, target.device, target.dtype, truncate)
            self.run = reply = await self._engine.send(request)
            await self._stream(reply, turn, params)
        except PromptTooLongError as error:
            self.run = None
            await self._offer_truncation(error, prompt, turn)
        except EngineError as error:
            turn.note(str(error), failed=True)
            self._say_failure(error)
            if isinstance(error, EngineStoppedError):
                self._restart_engine()
        finally:
            self.run = None

    @work(exclusive=True, group="compare", exit_on_error=False)
    async def compare(self, first: str, second: str) -> None:
        """Compare two sentences."""
        self.similarity.show_note("comparing…")
        try:
            reply = await self._engine.send(Compare(0, DEFAULT_PARAPHRASER, first, second))
            async for event in reply:
                if isinstance(event, Progress):
                    self.similarity.show_note(f"{DEFAULT_PARAPHRASER}: {event.stage}, {event.fraction:.0%}")
                elif isinstance(event, Compared):
                    self.similarity.show_answer(event.similarity)
        except EngineError as error:
            self.similarity.show_note(str(error), failed=True)

    def generate(self, prompt: str, turn: Turn | None = None, *, truncate: bool = False) -> None:
        """Begin a run, in a new turn or going on in one that is there."""
        if self.run is not None:
            self.notify("Still writing; Esc stops it.", markup=False)
            return
        if turn is None:
            turn = self.conversation.add_turn(prompt, "waiting for the model…")
        self._turn = turn
        self._generate(prompt, turn, truncate=truncate)

    # -- helpers ------------------------------------------------------------------------------------------------------

    async def _stream(self, reply: Reply, turn: Turn, params: SamplingParams) -> None:
        shown_s, first_s, count = 0.0, 0.0, 0
        ends: list[SequenceDone] = []
        async for event in reply:
            match event:
                case Progress():
                    self._say(f"loading {event.fraction:.0%} {event.stage}")
                case RunStarted():
                    self._show_model(event.info)
                    turn.begin(params.num_return_sequences, describe_way(params))
                    self._say("generating")
                case TokenGenerated():
                    step, count, now = event.step, count + 1, time.monotonic()
                    first_s = first_s or step.elapsed_s
                    if params.num_beams == 1:  # a beam search has shown its text already
                        turn.append(step.sequence, step.text)
                    if now - shown_s >= SPEED_S:
                        shown_s = now
                        rate = (count - 1) / (step.elapsed_s - first_s) if step.elapsed_s > first_s else 0.0
                        self._show_speed(rate, first_s)
                case BeamsAdvanced():
                    turn.finish(0, event.beams[0].text)
                    turn.note(f"{describe_way(params)}, best log-probability {event.beams[0].score:.2f}")
                case SequenceDone():
                    ends.append(event)
                    turn.finish(event.sequence, event.text)
        self._conclude(turn, params, ends)

    def _conclude(self, turn: Turn, params: SamplingParams, ends: list[SequenceDone]) -> None:
        """Say how the run ended."""
        self._say("ready" if self.status.model else "loading")
        if not ends:
            turn.note("stopped before it began")
            return
        end = ends[-1]
        self._show_speed(end.stats.tokens_per_s, end.stats.ttft_s)
        self.status.context = f"{end.stats.context_used:,} / {end.stats.n_positions:,}"
        turn.note(f"{describe_ending(end.finish_reason, end.stats)} · {describe_way(params)}")

    async def _offer_truncation(self, error: PromptTooLongError, prompt: str, turn: Turn) -> None:
        self._say("ready")
        turn.note(error.message, failed=True)
        question = f"{error.message}. The model can read the end of it."
        if await self.app.push_screen_wait(ChoiceDialog(question, "Use its end", "Back to the prompt")):
            self.call_later(self.generate, prompt, turn, truncate=True)

    def _run_params(self) -> SamplingParams:
        seed = self.sampling.fixed_seed
        return self.sampling.params.changed(seed=secrets.randbelow(2**31) if seed is None else seed, candidates=0)

    def _restart_engine(self) -> None:
        """Load again, which starts the process anew, unless it keeps dying."""
        if self._restarts_left:
            self._restarts_left -= 1
            self.load_model()

    def _show_model(self, info: ModelInfo) -> None:
        if info.note and self.status.model != info:
            self.notify(info.note, severity="warning", markup=False)
        self.status.model = info

    def _show_speed(self, tokens_per_s: float, ttft_s: float) -> None:
        self.status.speed = f"{tokens_per_s:.1f} tok/s, TTFT {ttft_s * 1000:.0f} ms"

    def _say(self, state: str) -> None:
        self.status.failed = False
        self.status.state = state

    def _say_failure(self, error: EngineError) -> None:
        self.status.failed = True
        self.status.state = error.message
