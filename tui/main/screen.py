"""The main screen: composes the panes, and has its hands do what they ask for."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Footer, Tab, Tabs
from textual.worker import Worker

from core.backends.backend import Backend
from core.errors import EngineError
from core.messages.records import ModelInfo, RunStats, Target
from core.messages.sampling_params import SamplingParams
from tui.conversations.keeper import Conversations
from tui.keys import KEYS_HELP
from tui.main.comparing import Comparing
from tui.main.live_candidates import LiveCandidates
from tui.main.live_tokens import LiveTokens
from tui.main.loading import Loading
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
from tui.widgets.dialogs import ChoiceDialog, HelpDialog
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

    folded = reactive(False, toggle_class="-folded")
    """Whether the terminal is too small for all panes at once."""
    pane = reactive("conversation", init=False)
    """The pane that is shown when folded."""
    target: reactive[Target] = reactive(Target(""))

    def __init__(self, backend: Backend, target: Target, prompt: str = "", *, restore: bool = False) -> None:
        super().__init__(classes="-show-conversation")  # set before styles are worked out, which is what costs
        self.backend = backend
        self.set_reactive(MainScreen.target, target)
        self.conversation = ConversationPane(id="conversation")
        self.ribbon = RibbonPane(id="ribbon")
        self.tokens = TokensPane(id="tokens")
        self.sampling = SamplingPane(id="sampling")
        self.similarity = SimilarityPane(id="similarity")
        self.candidates = CandidatesPane(id="candidates")
        self.prompt = PromptPane(prompt, id="prompt")
        self.status = StatusLine()
        self.runs = Runs(self, backend, self.conversation, self.sampling)
        self.conversations = Conversations(self, self.runs, self.conversation, restore=restore)
        self._loading = Loading(self, backend, self._begin_with)
        self._live_tokens = LiveTokens(self, backend, self.tokens, self.prompt)
        self._live_candidates = LiveCandidates(self, backend, self.runs, self.candidates, self.prompt, self.sampling)
        self.xray = Xray(self, backend, self.runs, self.ribbon, self._live_candidates, self.conversations.fill)
        self._comparing = Comparing(self, backend, self.similarity)

    def compose(self) -> ComposeResult:
        """All panes; the style sheet arranges them."""
        yield Tabs(*(Tab(label, id=f"tab-{name}") for name, label in _PANES.items()), id="pane-tabs")
        with Container(id="body"):
            yield self.conversation
            yield self.ribbon
            with Vertical(id="side"):
                yield self.tokens
                yield self.sampling
                yield self.similarity
            yield self.candidates
            yield self.prompt
        yield self.status
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
        await self.backend.close()

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
        if self.runs.stop():
            self.status.state = "stopping"
        else:
            self.go_to_prompt()

    def action_help(self) -> None:
        """Explain the focused pane."""
        widgets = self.focused.ancestors_with_self if self.focused is not None else []
        helps = (widget.HELP for widget in widgets if getattr(widget, "HELP", None))
        self.app.push_screen(HelpDialog(next(helps, None) or PromptPane.HELP, KEYS_HELP))

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
            self.tell("Run a prompt first; F9 then shows it token by token.")
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
        self.app.push_screen(self.conversations.dialog(), self.conversations.open)

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
            self.tell("Write a prompt first, for example: Once upon a time")
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

    # -- the model ----------------------------------------------------------------------------------------------------

    def load_model(self) -> None:
        """Have the model ready, in the background."""
        self._loading.start()

    def _begin_with(self, model: str) -> None:
        """Show what only a loaded model can tell."""
        self._live_tokens.model_came(model)
        self._live_candidates.begin()

    def _use_params(self, params: SamplingParams) -> None:
        self.runs.retune(params)
        self.candidates.settings = params
        self._live_candidates.use_params()

    # -- what the hands need, see `Host` ------------------------------------------------------------------------------

    @property
    def model(self) -> ModelInfo | None:
        """The model that is loaded; None until it is."""
        return self.status.model

    def work(self, work: Coroutine[Any, Any, None], group: str) -> Worker[None]:
        """Do something in the background, in the place of what was begun in the same group."""
        return self.run_worker(work, group=group, exclusive=True, exit_on_error=False)

    def batch_update(self) -> AbstractContextManager[None]:
        """Paint nothing until it is left."""
        return self.app.batch_update()

    def tell(self, text: str, *, failed: bool = False) -> None:
        """Tell the user something that goes away by itself."""
        self.notify(text, severity="error" if failed else "information", markup=False)

    def say(self, state: str) -> None:
        """Say in the status line what goes on."""
        self.status.failed = False
        self.status.state = state

    def say_failure(self, error: EngineError) -> None:
        """Say in the status line what went wrong."""
        self.status.failed, self.status.hint = True, error.hint
        self.status.state = error.message

    def show_model(self, info: ModelInfo) -> None:
        """Name the model in the status line; tell once what the user should know of it."""
        if info.note and self.status.model != info:
            self.notify(info.note, severity="warning", markup=False)
        self.status.model = info

    def show_speed(self, tokens_per_s: float, ttft_s: float) -> None:
        """Show how fast the run is."""
        self.status.speed = f"{tokens_per_s:.1f} tok/s, TTFT {ttft_s * 1000:.0f} ms"

    def show_stats(self, stats: RunStats) -> None:
        """Show how fast the run was, and how much of the context it filled."""
        self.show_speed(stats.tokens_per_s, stats.ttft_s)
        self.status.context = f"{stats.context_used:,} / {stats.n_positions:,}"

    async def choose(self, question: str, yes: str, no: str) -> bool:
        """Ask a question with two answers; True for the first."""
        return await self.app.push_screen_wait(ChoiceDialog(question, yes, no))

    def go_to_prompt(self) -> None:
        """Leave what is looked at, for the prompt."""
        self.remove_class("-ribbon")
        self.pane = "conversation"
        self.prompt.focus()
        self._live_candidates.follow_prompt(self.prompt.text)

    def recover(self) -> None:
        """Start the engine again, unless it keeps dying."""
        self._loading.recover()
