"""The runs of the main screen: asks the engine for them, streams them into turns, and keeps what was recorded."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from core.backends.backend import Backend, Reply
from core.errors import EngineError, EngineStoppedError, PromptTooLongError
from core.messages.protocol import (
    BeamsAdvanced,
    Event,
    Generate,
    Progress,
    Retuned,
    RunStarted,
    SequenceDone,
    TokenGenerated,
)
from core.messages.records import Candidate, Exchange, ModelInfo, StepRecord
from core.messages.sampling_params import SamplingParams, describe_change, describe_way
from tui.transcript.run_numbers import in_a_loop
from tui.transcript.sequence_columns import Tally
from tui.transcript.thread import BREAK, ids_to_go_on, root_of, text_before, thread
from tui.transcript.turn import Turn, describe_endings, why_ended
from tui.widgets.dialogs import ChoiceDialog

if TYPE_CHECKING:
    from tui.main.screen import MainScreen

SPEED_S = 0.2
"""How often the speed of a run is shown anew at most."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a run leaves an earlier one."""

    parent: int = -1
    """Index of the earlier run in `Runs.kept`; −1 when it follows none."""
    sequence: int = 0
    """Which of that run's sequences it leaves."""
    branch_at: int = 0
    """The new token it takes another one in place of; below 0 counts back from the end of the prompt."""
    taken: Candidate | None = None
    """The token it goes on with; None when it writes on after the last."""


NO_DEPARTURE = Departure()


@dataclass(slots=True, eq=False)
class KeptRun:
    """A run and everything recorded of it."""

    turn: Turn
    prompt: str
    """As the model read it."""
    prompt_ids: tuple[int, ...]
    params: SamplingParams
    info: ModelInfo
    steps: list[list[StepRecord]]
    """By sequence."""
    retunes: list[tuple[int, SamplingParams]] = field(default_factory=list)
    """Other settings, each with the first new token they chose."""
    ends: list[SequenceDone] = field(default_factory=list)
    parent: int = -1
    """Index in `Runs.kept` of the run it leaves; −1 when it follows none."""
    branch_at: int = 0
    """The parent's new token it took another one in place of; below 0 counts back from the end of the prompt."""
    parent_sequence: int = 0
    """Which of the parent's sequences it leaves."""
    taken: Candidate | None = None
    """The token it went on with; None when it wrote on after the last, and when that is not known."""
    chat: bool = False
    """Whether its prompt was a turn of a chat; what leaves it, or writes on, belongs to the same turn."""
    after: int = -1
    """Index in `Runs.kept` of the run whose answer a chat's prompt follows; −1 when it begins one."""

    def take(self, event: Event) -> None:
        """Keep what an event of this run tells."""
        match event:
            case TokenGenerated():
                self.steps[event.step.sequence].append(event.step)
            case Retuned():
                self.retunes.append((event.index, event.params))
            case SequenceDone():
                self.ends.append(event)

    def tally(self, sequence: int) -> Tally:
        """What its records say of one of its sequences."""
        steps = self.steps[sequence]
        circles = " · ⟳ in circles" if in_a_loop([step.id for step in steps]) else ""
        ended = [why_ended(end.finish_reason, end.stats) + circles for end in self.ends if end.sequence == sequence]
        return Tally(math.fsum(step.logprob for step in steps), len(steps), ending="".join(ended))

    def ending(self) -> str:
        """Why it ended, and what can be done then."""
        ends = sorted(self.ends, key=lambda end: end.sequence)
        circles = any(in_a_loop([step.id for step in steps]) for steps in self.steps)
        hint = " · ⟳ goes in circles, F9 says what helps" if circles else ""
        return describe_endings([(end.finish_reason, end.stats) for end in ends]) + hint

    def params_at(self, index: int) -> SamplingParams:
        """The settings that chose new token `index`."""
        return [self.params, *(params for start, params in self.retunes if start <= index)][-1]

    def changes(self) -> dict[int, str]:
        """What changed on the way, by the first new token that other settings chose."""
        return {start: describe_change(self.params_at(start - 1), params) for start, params in self.retunes}

    def way(self) -> str:
        """How its tokens were chosen, and what changed meanwhile."""
        return " · ".join((describe_way(self.params), *(f"⟲ {change}" for change in self.changes().values())))

    def context_ids(self, sequence: int, index: int) -> tuple[int, ...]:
        """What the model had read when it chose new token `index` of a sequence."""
        return (*self.prompt_ids, *(step.id for step in self.steps[sequence][:index]))


class Runs:
    """One run at a time, and the ones before."""

    def __init__(self, screen: MainScreen, engine: Backend) -> None:
        self._screen = screen
        self._engine = engine
        self._turn: Turn | None = None
        self._after = -1
        """The run whose answer a chat's next prompt follows."""
        self.kept: list[KeptRun] = []
        """Every run that began, oldest first."""
        self.listener: Callable[[KeptRun, Event], None] = lambda run, event: None
        """Told of every event of a run, before it is shown."""

    def start(
        self,
        prompt: str,
        turn: Turn | None = None,
        *,
        truncate: bool = False,
        prompt_ids: tuple[int, ...] = (),
        params: SamplingParams | None = None,
        departure: Departure = NO_DEPARTURE,
        begun_ids: tuple[int, ...] = (),
    ) -> None:
        """Begin a run, in a new turn or going on in one that is there.

        Args:
            prompt: what to continue.
            turn: where to go on; None makes a new one.
            truncate: use the end of a prompt that is too long.
            prompt_ids: read exactly these tokens.
            params: the settings; None takes those of the sampling pane.
            departure: where it leaves an earlier run.
            begun_ids: tokens that stand after the prompt already.
        """
        screen = self._screen
        if screen.run is not None:
            screen.notify("Still writing; Esc stops it.", markup=False)
            return
        if turn is None:
            turn = screen.conversation.add_turn(prompt, "waiting for the model…")
        self._turn = turn
        target, settings = screen.target, params or self._new_params()
        request = Generate(
            *(0, target.model, prompt, settings, target.device, target.dtype, truncate, prompt_ids),
            earlier=self.earlier(),
            begun_ids=begun_ids,
            trace=True,
        )
        work = self._run(request, turn, departure)
        screen.run_worker(work, group="generate", exclusive=True, exit_on_error=False)

    def branch(
        self,
        prompt: str,
        context_ids: tuple[int, ...],
        candidate: Candidate,
        departure: Departure = NO_DEPARTURE,
    ) -> None:
        """Go on with a candidate in the place of what was, or would be, drawn.

        Args:
            prompt: the text before it, as it is shown.
            context_ids: the tokens before it; empty where `prompt` is still to be tokenised.
            candidate: the token to go on with.
            departure: the place in an earlier run that the tokens before it are taken from.
        """
        departure = replace(departure, taken=candidate)
        if context_ids:
            shown = text_before(self.kept, departure.parent, prompt) + candidate.text
            self.start(shown, prompt_ids=(*context_ids, candidate.id), departure=departure)
        elif self._is_chat and self._screen.run is None:
            turn = self._screen.conversation.add_turn(prompt + BREAK + candidate.text, "waiting for the model…")
            self.start(prompt, turn, departure=departure, begun_ids=(candidate.id,))
        else:
            self.start(prompt + candidate.text, departure=departure)

    def bring_back(self, kept: Sequence[KeptRun]) -> None:
        """Take the runs of another conversation in the place of these."""
        self.kept[:] = kept
        self._turn = kept[-1].turn if kept else None
        self._after = len(kept) - 1

    def again(self) -> None:
        """Run the last prompt anew; in a chat, after the same turns as before."""
        if self._turn is None:
            return
        root = self.kept[root_of(self.kept, len(self.kept) - 1)] if self.kept else None
        if root is not None and root.chat and self.kept[-1].turn is self._turn:
            self._after = root.after if self._screen.run is None else self._after
            self.start(root.prompt)
        else:
            self.start(self._turn.prompt)

    def go_on(self) -> None:
        """Let the model write on after its last answer."""
        turn = self._turn
        if turn is None or not turn.text.strip():
            return
        departure = self._end_of(turn)
        is_chat = departure.parent >= 0 and self.kept[root_of(self.kept, departure.parent)].chat
        ids = ids_to_go_on(self.kept[departure.parent]) if is_chat else ()
        self.start(turn.text, turn, prompt_ids=ids, departure=departure)

    def earlier(self) -> tuple[Exchange, ...]:
        """The turns that a chat's next prompt follows."""
        return thread(self.kept, self._after)

    @property
    def _is_chat(self) -> bool:
        model = self._screen.status.model
        return model is not None and model.chat

    def retune(self, params: SamplingParams) -> None:
        """Let the run under way go on with other settings."""
        if self._screen.run is not None:
            self._screen.run.retune(params)

    def _end_of(self, turn: Turn) -> Departure:
        """Where a run departs that writes on after a turn."""
        places = [place for place, run in enumerate(self.kept) if run.turn is turn]
        return Departure(places[-1], 0, len(self.kept[places[-1]].steps[0])) if places else NO_DEPARTURE

    def _new_params(self) -> SamplingParams:
        sampling = self._screen.sampling
        seed = sampling.fixed_seed
        return sampling.params.changed(seed=secrets.randbelow(2**31) if seed is None else seed)

    async def _run(self, request: Generate, turn: Turn, departure: Departure) -> None:
        """Stream one run into a turn."""
        screen = self._screen
        try:
            screen.run = reply = await self._engine.send(request)
            await self._stream(reply, turn, request.params, departure)
        except PromptTooLongError as error:
            screen.run = None
            await self._offer_truncation(error, request.prompt, turn, departure)
        except EngineError as error:
            turn.note(str(error), failed=True)
            screen.say_failure(error)
            if isinstance(error, EngineStoppedError):
                screen.restart_engine()
        finally:
            screen.run = None

    async def _stream(self, reply: Reply, turn: Turn, params: SamplingParams, departure: Departure) -> None:
        screen = self._screen
        shown_s, first_s, count = 0.0, 0.0, 0
        kept: KeptRun | None = None
        async for event in reply:
            if kept is not None:
                kept.take(event)
                self.listener(kept, event)
            match event:
                case Progress():
                    screen.say(f"loading {event.fraction:.0%} {event.stage}")
                case RunStarted():
                    kept = self._keep(event, turn, departure)
                    screen.show_model(event.info)
                    turn.begin(params.num_return_sequences, describe_way(params))
                    screen.say("generating")
                case TokenGenerated() if kept is not None:
                    step, count, now = event.step, count + 1, time.monotonic()
                    first_s = first_s or step.elapsed_s
                    if params.num_beams == 1:  # a beam search has shown its text already
                        turn.append(step.sequence, step.text, step.logprob)
                    if now - shown_s >= SPEED_S:
                        shown_s = now
                        rate = (count - 1) / (step.elapsed_s - first_s) if step.elapsed_s > first_s else 0.0
                        screen.show_speed(rate, first_s)
                case Retuned() if kept is not None:
                    turn.mark_retune()
                case BeamsAdvanced():
                    note = f"{describe_way(params)}, best log-probability {event.beams[0].score:.2f}"
                    turn.show_beams(event.beams, event.index + 1, note)
                case SequenceDone() if kept is not None:
                    turn.finish(event.sequence, event.text, kept.tally(event.sequence))
        self._conclude(turn, kept)

    def _keep(self, event: RunStarted, turn: Turn, departure: Departure) -> KeptRun:
        """Begin the record of a run."""
        steps: list[list[StepRecord]] = [[] for _ in range(event.params.num_return_sequences)]
        kept = KeptRun(turn, event.prompt, event.prompt_ids, event.params, event.info, steps)
        kept.parent, kept.parent_sequence = departure.parent, departure.sequence
        kept.branch_at, kept.taken = departure.branch_at, departure.taken
        kept.chat, kept.after = event.chat, self._after
        self._after = len(self.kept)
        turn.is_chat = event.chat and turn.prompt == event.prompt
        self.kept.append(kept)
        self.listener(kept, event)
        return kept

    def _conclude(self, turn: Turn, kept: KeptRun | None) -> None:
        """Say how the run ended."""
        screen = self._screen
        screen.say("ready" if screen.status.model else "loading")
        if kept is None or not kept.ends:
            turn.note("stopped before it began")
            return
        end = kept.ends[-1]
        screen.show_speed(end.stats.tokens_per_s, end.stats.ttft_s)
        screen.status.context = f"{end.stats.context_used:,} / {end.stats.n_positions:,}"
        turn.note(f"{kept.ending()} · {kept.way()}")

    async def _offer_truncation(self, error: PromptTooLongError, prompt: str, turn: Turn, departure: Departure) -> None:
        screen = self._screen
        screen.say("ready")
        turn.note(error.message, failed=True)
        question = f"{error.message}. The model can read the end of it."
        if await screen.app.push_screen_wait(ChoiceDialog(question, "Use its end", "Back to the prompt")):
            screen.call_later(self.start, prompt, turn, truncate=True, departure=departure)
