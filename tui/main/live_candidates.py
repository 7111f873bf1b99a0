"""Keeps the candidates pane true: to the prompt while it is typed, to a recorded step while it is looked at."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from core.backends.abilities import check_can, needs
from core.backends.backend import Backend
from core.errors import EngineError
from core.messages.protocol import Inspect, Inspected
from core.messages.records import Candidate
from core.messages.sampling_params import SamplingParams
from tui.host import Host
from tui.main.panes.candidates import WINDOW, CandidatesPane
from tui.main.panes.prompt import PromptPane
from tui.main.panes.sampling import SamplingPane
from tui.transcript.kept_run import NO_DEPARTURE, Departure, History
from tui.widgets.shared_frame import SharedFrame

_PAUSE_S = 0.12
"""How long typing must rest before the table follows it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a table is about."""

    prompt: str = ""
    context_ids: tuple[int, ...] = ()
    """Of a recorded step; empty for the prompt as typed."""
    chosen_id: int = -1
    place: str = ""
    departure: Departure = NO_DEPARTURE
    """Where in which run that step is."""


class LiveCandidates:
    """Asks the engine for tables and windows of them; the newest question alone is answered."""

    def __init__(
        self,
        host: Host,
        backend: Backend,
        history: History,
        pane: CandidatesPane,
        prompt: PromptPane,
        sampling: SamplingPane,
        pause_s: float = _PAUSE_S,
    ) -> None:
        self._host = host
        self._backend = backend
        self._history = history
        self._pane = pane
        self._prompt = prompt
        self._sampling = sampling
        self._pause_s = pause_s
        self._frame = SharedFrame(host.batch_update)
        self._subject = Subject()
        self._search = ""
        self._fixed_params: SamplingParams | None = None
        """Those that chose the step that is looked at."""
        self._what_if = False
        """Whether that step shall be seen with the settings of now instead, as it shall once one of them is turned."""

    @property
    def _params(self) -> SamplingParams:
        now = self._sampling.params
        return now if self._what_if or self._fixed_params is None else self._fixed_params

    @property
    def _place(self) -> str:
        """What the table is about, and whose settings made it."""
        if not self._subject.place:
            return ""
        return f"{self._subject.place} · {'what if, by the settings of F4' if self._what_if else 'as it was run'}"

    def follow_prompt(self, text: str) -> None:
        """The prompt was edited."""
        self._fixed_params, self._what_if = None, False
        self._change(Subject(text), pause_s=self._pause_s)

    def look_at(self, subject: Subject, params: SamplingParams) -> None:
        """A recorded step is looked at, with the settings that chose it."""
        same_run = subject.departure.parent == self._subject.departure.parent
        self._fixed_params, self._what_if = params, self._what_if and same_run
        self._change(subject)

    def use_params(self) -> None:
        """The settings were changed: the same table again, re-ranked from logits that are kept."""
        self._what_if = self._fixed_params is not None
        self._ask(fresh=True, same_context=True)

    def search(self, text: str) -> None:
        """Other rows are wanted."""
        self._search = text
        self._ask(fresh=True, pause_s=self._pause_s)

    def window(self, offset: int) -> None:
        """More rows of the same table."""
        self._ask(offset=offset)

    def branch(self, candidate: Candidate) -> None:
        """Let the text go on with a candidate, where the table stands."""
        subject = self._subject
        self._history.branch(subject.prompt, subject.context_ids, candidate, subject.departure)

    def begin(self) -> None:
        """The pane comes into view, or the model is there: bring it up to date."""
        if not self._subject.context_ids:
            self._subject = Subject(self._prompt.text)
        self._ask(fresh=True)

    def _change(self, subject: Subject, pause_s: float = 0.0) -> None:
        if subject != self._subject:
            self._subject = subject
            self._ask(fresh=True, pause_s=pause_s)

    def _ask(self, *, offset: int = 0, fresh: bool = False, same_context: bool = False, pause_s: float = 0.0) -> None:
        if not self._pane.display or self._host.model is None:
            return
        if same_context:  # needs no forward pass: the answer is there before the knob is painted
            self._frame.hold()
        group = "candidates" if fresh else f"candidates-{offset}"
        self._host.work(self._answer(self._subject, offset, fresh, same_context, pause_s), group)

    async def _answer(self, subject: Subject, offset: int, fresh: bool, same_context: bool, pause_s: float) -> None:
        if pause_s:
            await asyncio.sleep(pause_s)
        params = self._params
        if not subject.prompt and not subject.context_ids:
            self._pane.show_note("type a prompt: what may come next is shown here")
            return
        request = Inspect(
            self._host.target,
            subject.prompt,
            params,
            context_ids=subject.context_ids,
            offset=offset,
            limit=WINDOW,
            search=self._search,
            earlier=() if subject.context_ids else self._history.earlier(),
        )
        try:
            check_can(self._host.model, *needs(request))
            async for event in await self._backend.send(request):
                if isinstance(event, Inspected) and subject == self._subject:
                    self._pane.show(
                        event.table,
                        params,
                        fresh=fresh,
                        same_context=same_context,
                        chosen_id=subject.chosen_id,
                        place=self._place,
                    )
        except EngineError as error:
            self._pane.show_note(str(error))
        self._frame.release()
