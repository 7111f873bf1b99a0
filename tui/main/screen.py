"""The main screen: composes the panes, owns the state of the run, and alone talks to the engine."""

from __future__ import annotations

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

from core.backends.backend import Backend, Reply
from core.errors import EngineError, EngineStoppedError
from core.messages.protocol import Load, Loaded, Progress
from core.messages.records import ModelInfo
from core.messages.sampling_params import SamplingParams
from tui.conversations.keeper import Conversations
from tui.main.comparing import Comparing
from tui.main.live_candidates import LiveCandidates
from tui.main.live_tokens import LiveTokens
from tui.main.panes.candidates import CandidateList, CandidatesPane
from tui.main.panes.conversation import ConversationPane
from tui.main.panes.prompt import PromptPane
from tui.main.panes.ribbon import RibbonPane
from tui.main.panes.sampling import SamplingPane
from tui.main.panes.similarity import SimilarityPane
from tui.main.panes.status import StatusLine
from tui.main.panes.tokens import TokensPane
from tui.main.runs import Runs
from tui.main.xray import Xray
from tui.widgets.dialogs import HelpDialog
from tui.widgets.ribbon_view import RibbonView

_PANES = {
    "conversation": "F2 Text",
    "tokens": "F3 Tokens",
    "sampling": "F4 Sampling",
    "similarity": "F5 Pairs",
    "candidates": "F7 Candidates",
    "ribbon": "F9 X-ray",
}
"""The panes and what their tabs say: the key and a word."""

WIDE_COLUMNS, WIDE_ROWS = 100, 30
"""From this size on all panes are side by side; below, they fold into tabs."""

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
        Binding("f7", "show_candidates", "Candidates", tooltip="What may come next, and why", priority=True),
        Binding("f9", "show_ribbon", "X-ray", tooltip="The last run, token by token", priority=True),
        Binding("f6", "app.open_lab", "Lab", tooltip="Fill masks, sentiment, attention and more", priority=True),
        Binding("f8", "app.open_models", "Models", tooltip="Every model: use, download, verify, delete", priority=True),
        Binding("ctrl+r", "run_again", "Again", tooltip="Run the last prompt again", priority=True),
        Binding("ctrl+n", "continue_run", "Continue", tooltip="Let the model write on", priority=True),
        Binding("ctrl+l", "show_conversations", "Conversations", show=False, priority=True),
        Binding("ctrl+t", "new_conversation", "New conversation", show=False, priority=True),
    ]

    conversation = query_one("#conversation", ConversationPane)
    prompt = query_one("#prompt", PromptPane)
    tokens = query_one("#tokens", TokensPane)
    sampling = query_one("#sampling", SamplingPane)
    similarity = query_one("#similarity", SimilarityPane)
    candidates = query_one("#candidates", CandidatesPane)
    ribbon = query_one("#ribbon", RibbonPane)
    status = query_one(StatusLine)

    folded = reactive(False, toggle_class="-folded")
    """Whether the terminal is too small for all panes at once."""
    pane = reactive("conversation", init=False)
    """The pane that is shown when folded."""
    target: reactive[Target] = reactive(Target(""))
    run: reactive[Reply | None] = reactive(None)
    """The run under way."""

    def __init__(self, engine: Backend, target: Target, prompt: str = "", *, restore: bool = False) -> None:
        super().__init__(classes="-show-conversation")  # set before styles are worked out, which is what costs
        self._engine = engine
        self.set_reactive(MainScreen.target, target)
        self._first_prompt = prompt
        self.runs = Runs(self, engine)
        self.conversations = Conversations(self, restore=restore)
        self._restarts_left = RESTARTS
        self._live_tokens = LiveTokens(self)
        self._live_candidates = LiveCandidates(self, engine)
        self.xray = Xray(self, engine, self._live_candidates)
        self._comparing = Comparing(self, engine)

    def compose(self) -> ComposeResult:
        """All panes; the style sheet arranges them."""
        yield Tabs(
            *(Tab(label, id=f"tab-{name}") for name, label in _PANES.items()),
            id="pane-tabs",
        )
        with Container(id="body"):
            yield ConversationPane(id="conversation")
            yield RibbonPane(id="ribbon")
            with Vertical(id="side"):
                yield TokensPane(id="tokens")
                yield SamplingPane(id="sampling")
                yield SimilarityPane(id="similarity")
            yield CandidatesPane(id="candidates")
            yield PromptPane(self._first_prompt, id="prompt")
        yield StatusLine()
        yield Footer()

    async def on_mount(self) -> None:
        """Start the engine before the first frame; everything slow comes after it."""
        self.prompt.focus()
        self.watch(self.sampling, "params", self._use_params, init=False)
        self.status.wanted_model = self.target.model
        self.load_model()
        self.call_after_refresh(self._live_tokens.begin, self.target.model)
        self.call_after_refresh(self.conversations.begin)

    async def on_unmount(self) -> None:
        """Leave no engine behind."""
        self.conversations.close()
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
        self.remove_class("-ribbon")
        self.pane = "conversation"
        self.prompt.focus()
        self._live_candidates.follow_prompt(self.prompt.text)

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

    def action_show_candidates(self) -> None:
        """Unfold the candidates and go to them; from there, fold them again."""
        if not self.folded and self.candidates.has_focus_within:
            self.remove_class("-candidates")
            self.prompt.focus()
            return
        self.add_class("-candidates")
        self.action_show_pane("candidates")
        self.candidates.rows.focus()
        self.call_after_refresh(self._live_candidates.begin)

    def action_show_ribbon(self) -> None:
        """Put the last run under the X-ray, in the place of the conversation; from there, go back."""
        if self.has_class("-ribbon") and self.ribbon.has_focus_within:
            self.action_back()
            return
        if not self.xray.open():
            self.notify("Run a prompt first; F9 then shows it token by token.", markup=False)
            return
        self.show_xray()

    def show_xray(self) -> None:
        """Unfold the X-ray and go to it."""
        self.add_class("-ribbon", "-candidates")
        self.pane = "ribbon"
        self.ribbon.view.focus()

    @on(RibbonView.TokenSelected)
    def _look_at(self, event: RibbonView.TokenSelected) -> None:
        event.stop()
        self.xray.look_at(event.token)

    @on(RibbonView.ListRequested)
    def _go_to_candidates(self, event: RibbonView.ListRequested) -> None:
        event.stop()
        self.pane = "candidates"
        self.candidates.rows.focus()
        self.call_after_refresh(self._live_candidates.begin)  # folded, the pane was not there to be filled

    @on(RibbonView.OtherRunRequested)
    def _other_run(self, event: RibbonView.OtherRunRequested) -> None:
        event.stop()
        self.xray.step(event.runs, event.sequences)

    def action_run_again(self) -> None:
        """Run the last prompt anew."""
        self.runs.again()

    def action_continue_run(self) -> None:
        """Let the model write on after its last answer."""
        self.runs.go_on()

    def action_show_conversations(self) -> None:
        """List the saved conversations."""
        self.conversations.show_list()

    def action_new_conversation(self) -> None:
        """Begin a new conversation."""
        self.conversations.new()

    # -- messages from the panes --------------------------------------------------------------------------------------

    @on(Tabs.TabActivated)
    def _show_tab(self, event: Tabs.TabActivated) -> None:
        event.stop()
        self.pane = (event.tab.id or "").removeprefix("tab-")

    @on(PromptPane.PromptChanged)
    def _break_down(self, event: PromptPane.PromptChanged) -> None:
        event.stop()
        self._live_tokens.show(event.text)
        self._live_candidates.follow_prompt(event.text)

    @on(PromptPane.RunRequested)
    def _start_run(self, event: PromptPane.RunRequested) -> None:
        event.stop()
        if not event.text.strip():
            self.notify("Write a prompt first, for example: Once upon a time", markup=False)
            return
        self.prompt.select_all()
        self.runs.start(event.text)

    @on(CandidateList.KnobTurned)
    def _turn_knob(self, event: CandidateList.KnobTurned) -> None:
        event.stop()
        self.sampling.turn(event.name, event.steps)

    @on(ConversationPane.OlderWanted)
    async def _show_older(self, event: ConversationPane.OlderWanted) -> None:
        event.stop()
        await self.conversations.show_older()

    @on(CandidatesPane.SearchChanged)
    def _search_candidates(self, event: CandidatesPane.SearchChanged) -> None:
        event.stop()
        self._live_candidates.search(event.search)

    @on(CandidateList.WindowWanted)
    def _fetch_candidates(self, event: CandidateList.WindowWanted) -> None:
        event.stop()
        self._live_candidates.window(event.offset)

    @on(CandidateList.BranchRequested)
    def _branch(self, event: CandidateList.BranchRequested) -> None:
        event.stop()
        self.remove_class("-ribbon")
        self.pane = "conversation"
        self._live_candidates.branch(event.candidate)

    @on(SimilarityPane.CompareRequested)
    def _start_comparison(self, event: SimilarityPane.CompareRequested) -> None:
        event.stop()
        self._comparing.start(event.first, event.second)

    # -- work with the engine -----------------------------------------------------------------------------------------

    @work(exclusive=True, group="load", exit_on_error=False)
    async def load_model(self) -> None:
        """Have the model ready, in the background."""
        target = self.target
        self.say("starting the engine")
        try:
            reply = await self._engine.send(Load(0, target.model, target.device, target.dtype))
            async for event in reply:
                if isinstance(event, Progress):
                    self.say(f"loading {event.fraction:.0%} {event.stage}")
                elif isinstance(event, Loaded):
                    self.show_model(event.info)
                    self._restarts_left = RESTARTS
                    self._live_tokens.model_came(target.model)
                    self.say("ready")
                    self._live_candidates.begin()
        except EngineError as error:
            self.say_failure(error)
            if isinstance(error, EngineStoppedError):
                self.restart_engine()

    def _use_params(self, params: SamplingParams) -> None:
        self.runs.retune(params)
        self.candidates.settings = params
        self._live_candidates.use_params()

    # -- helpers ------------------------------------------------------------------------------------------------------

    def restart_engine(self) -> None:
        """Load again, which starts the process anew, unless it keeps dying."""
        if self._restarts_left:
            self._restarts_left -= 1
            self.load_model()

    def show_model(self, info: ModelInfo) -> None:
        """Name the model in the status line; tell once what the user should know of it."""
        if info.note and self.status.model != info:
            self.notify(info.note, severity="warning", markup=False)
        self.status.model = info

    def show_speed(self, tokens_per_s: float, ttft_s: float) -> None:
        """Show how fast the run is."""
        self.status.speed = f"{tokens_per_s:.1f} tok/s, TTFT {ttft_s * 1000:.0f} ms"

    def say(self, state: str) -> None:
        """Say in the status line what goes on."""
        self.status.failed = False
        self.status.state = state

    def say_failure(self, error: EngineError) -> None:
        """Say in the status line what went wrong."""
        self.status.failed, self.status.hint = True, error.hint
        self.status.state = error.message
