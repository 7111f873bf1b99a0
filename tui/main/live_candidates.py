"""Keeps the candidates pane true: to the prompt while it is typed, to a recorded step while it is looked at."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.backends.backend import Backend
from core.errors import EngineError
from core.messages.protocol import Inspect, Inspected
from core.messages.records import Candidate
from core.messages.sampling_params import SamplingParams
from tui.main.panes.candidates import WINDOW
from tui.main.runs import NO_DEPARTURE, Departure
from tui.widgets.shared_frame import SharedFrame

if TYPE_CHECKING:
    from tui.main.screen import MainScreen

PAUSE_S = 0.12
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

    def __init__(self, screen: MainScreen, engine: Backend) -> None:
        self._screen = screen
        self._engine = engine
        self._frame = SharedFrame()
        self._subject = Subject()
        self._search = ""
        self._fixed_params: SamplingParams | None = None
        """Those that chose the step that is looked at."""
        self._what_if = False
        """Whether that step shall be seen with the settings of now instead, as it shall once one of them is turned."""

    @property
    def _params(self) -> SamplingParams:
        now = self._screen.sampling.params
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
        self._change(Subject(text), pause_s=PAUSE_S)

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
        self._ask(fresh=True, pause_s=PAUSE_S)

    def window(self, offset: int) -> None:
        """More rows of the same table."""
        self._ask(offset=offset)

    def branch(self, candidate: Candidate) -> None:
        """Let the text go on with a candidate, where the table stands."""
        subject = self._subject
        self._screen.runs.branch(subject.prompt, subject.context_ids, candidate, subject.departure)

    def begin(self) -> None:
        """The pane comes into view, or the model is there: bring it up to date."""
        if not self._subject.context_ids:
            self._subject = Subject(self._screen.prompt.text)
        self._ask(fresh=True)

    def _change(self, subject: Subject, pause_s: float = 0.0) -> None:
        if subject != self._subject:
            self._subject = subject
            self._ask(fresh=True, pause_s=pause_s)

    def _ask(self, *, offset: int = 0, fresh: bool = False, same_context: bool = False, pause_s: float = 0.0) -> None:
        if not self._screen.candidates.display or self._screen.status.model is None:
            return
        if same_context:  # needs no forward pass: the answer is there before the knob is painted
            self._frame.hold(self._screen.app)
        group = "candidates" if fresh else f"candidates-{offset}"
        self._screen.run_worker(
            self._answer(self._subject, offset, fresh, same_context, pause_s),
            group=group,
            exclusive=True,
            exit_on_error=False,
        )

    async def _answer(self, subject: Subject, offset: int, fresh: bool, same_context: bool, pause_s: float) -> None:
        if pause_s:
            await asyncio.sleep(pause_s)
        screen, params = self._screen, self._params
        if not subject.prompt and not subject.context_ids:
            screen.candidates.show_note("type a prompt: what may come next is shown here")
            return
        target = screen.target
        request = Inspect(
            0,
            target.model,
            subject.prompt,
            params,
            subject.context_ids,
            offset,
            WINDOW,
            self._search,
            target.device,
            target.dtype,
            earlier=() if subject.context_ids else screen.runs.earlier(),
        )
        try:
            async for event in await self._engine.send(request):
                if isinstance(event, Inspected) and subject == self._subject:
                    screen.candidates.show(
                        event.table,
                        params,
                        fresh=fresh,
                        same_context=same_context,
                        chosen_id=subject.chosen_id,
                        place=self._place,
                    )
        except EngineError as error:
            screen.candidates.show_note(str(error))
        self._frame.release()
