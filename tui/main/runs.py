"""The runs of the main screen: asks the engine for them, streams them into turns, and keeps what was recorded."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from core.backends.abilities import check_can, needs
from core.backends.backend import Backend, Reply
from core.errors import EngineError, EngineStoppedError, InputError, PromptTooLongError
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
from core.messages.records import Ability, Candidate, Exchange, StepRecord
from core.messages.sampling_params import SamplingParams, describe_way
from tui.host import Host
from tui.main.panes.conversation import ConversationPane
from tui.main.panes.sampling import SamplingPane
from tui.transcript.kept_run import NO_DEPARTURE, Departure, KeptRun
from tui.transcript.thread import BREAK, ids_to_go_on, root_of, text_before, thread
from tui.transcript.turn import Turn

SPEED_S = 0.2
"""How often the speed of a run is shown anew at most."""


class Runs:
    """One run at a time, and the ones before."""

    def __init__(self, host: Host, backend: Backend, conversation: ConversationPane, sampling: SamplingPane) -> None:
        self._host = host
        self._backend = backend
        self._conversation = conversation
        self._sampling = sampling
        self._is_busy = False
        self._reply: Reply | None = None
        """Of the run under way, once it is sent."""
        self._turn: Turn | None = None
        self._after = -1
        """The run whose answer a chat's next prompt follows."""
        self.kept: list[KeptRun] = []
        """Every run that began, oldest first."""
        self.listener: Callable[[KeptRun, Event], None] = lambda run, event: None
        """Told of every event of a run, before it is shown."""

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way, or asked for: then no other one can begin."""
        return self._is_busy

    def start(
        self,
        prompt: str,
        turn: Turn | None = None,
        *,
        prompt_ids: tuple[int, ...] = (),
        params: SamplingParams | None = None,
        departure: Departure = NO_DEPARTURE,
        begun_ids: tuple[int, ...] = (),
    ) -> None:
        """Begin a run, in a new turn or going on in one that is there.

        Args:
            prompt: what to continue.
            turn: where to go on; None makes a new one.
            prompt_ids: read exactly these tokens.
            params: the settings; None takes those of the sampling pane.
            departure: where it leaves an earlier run.
            begun_ids: tokens that stand after the prompt already.
        """
        if self._is_busy:
            self._host.tell("Still writing; Esc stops it.")
            return
        if turn is None:
            turn = self._conversation.add_turn(prompt, "waiting for the model…")
        self._turn = turn
        request = Generate(
            self._host.target,
            prompt,
            params or self._new_params(),
            prompt_ids=prompt_ids,
            earlier=self.earlier(),
            begun_ids=begun_ids,
            trace=True,
        )
        self._is_busy = True  # at once, because keys come in bursts and the work begins later
        self._host.work(self._run(request, turn, departure), "generate")

    def stop(self) -> bool:
        """End the run under way; False when there is none."""
        if self._reply is None:
            return False
        self._reply.cancel()
        return True

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
        elif self._is_chat and not self._is_busy:
            turn = self._conversation.add_turn(prompt + BREAK + candidate.text, "waiting for the model…")
            self.start(prompt, turn, departure=departure, begun_ids=(candidate.id,))
        else:
            self.start(prompt + candidate.text, departure=departure)

    def bring_back(self, kept: Sequence[KeptRun], turn: Turn | None) -> None:
        """Take the runs of another conversation in the place of these.

        Args:
            kept: its runs.
            turn: that of the last one; None when there is none.
        """
        self.kept[:] = kept
        self._turn = turn
        self._after = len(kept) - 1

    def again(self) -> None:
        """Run the last prompt anew; in a chat, after the same turns as before."""
        if self._turn is None:
            return
        root = self.kept[root_of(self.kept, len(self.kept) - 1)] if self.kept else None
        if root is not None and root.chat and self.kept[-1].turn is self._turn:
            self._after = self._after if self._is_busy else root.after
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
        model = self._host.model
        return model is not None and model.chat

    def retune(self, params: SamplingParams) -> None:
        """Let the run under way go on with other settings."""
        if self._reply is None:
            return
        try:
            check_can(self._host.model, Ability.RETUNING)
        except InputError as error:
            self._host.say(str(error))
        else:
            self._reply.retune(params)

    def _end_of(self, turn: Turn) -> Departure:
        """Where a run departs that writes on after a turn."""
        places = [place for place, run in enumerate(self.kept) if run.turn is turn]
        return Departure(places[-1], 0, len(self.kept[places[-1]].steps[0])) if places else NO_DEPARTURE

    def _new_params(self) -> SamplingParams:
        seed = self._sampling.fixed_seed
        return self._sampling.params.changed(seed=secrets.randbelow(2**31) if seed is None else seed)

    async def _run(self, request: Generate, turn: Turn, departure: Departure) -> None:
        """Stream one run into a turn; of a prompt that is too long its end, if the user wants that."""
        try:
            try:
                await self._stream(request, turn, departure)
            except PromptTooLongError as error:
                if await self._wants_end(error, turn):
                    end = replace(request, truncate=True, prompt_ids=(), begun_ids=())
                    await self._stream(end, turn, departure)
        except EngineError as error:
            turn.note(str(error), failed=True)
            self._host.say_failure(error)
            if isinstance(error, EngineStoppedError):
                self._host.recover()
        finally:
            self._reply, self._is_busy = None, False

    async def _stream(self, request: Generate, turn: Turn, departure: Departure) -> None:
        host, params = self._host, request.params
        shown_s, first_s, count = 0.0, 0.0, 0
        kept: KeptRun | None = None
        check_can(host.model, *needs(request))
        self._reply = await self._backend.send(request)
        async for event in self._reply:
            if kept is not None:
                kept.take(event)
                self.listener(kept, event)
            match event:
                case Progress():
                    host.say(f"loading {event.fraction:.0%} {event.stage}")
                case RunStarted():
                    kept = self._keep(event, turn, departure)
                    host.show_model(event.info)
                    turn.begin(params.num_return_sequences, describe_way(params))
                    host.say("generating")
                case TokenGenerated() if kept is not None:
                    step, count, now = event.step, count + 1, time.monotonic()
                    first_s = first_s or step.elapsed_s
                    if params.num_beams == 1:  # a beam search has shown its text already
                        turn.append(step.sequence, step.text, step.logprob)
                    if now - shown_s >= SPEED_S:
                        shown_s = now
                        rate = (count - 1) / (step.elapsed_s - first_s) if step.elapsed_s > first_s else 0.0
                        host.show_speed(rate, first_s)
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
        self._host.say("ready" if self._host.model else "loading")
        if kept is None or not kept.ends:
            turn.note("stopped before it began")
            return
        self._host.show_stats(kept.ends[-1].stats)
        turn.note(f"{kept.ending()} · {kept.way()}")

    async def _wants_end(self, error: PromptTooLongError, turn: Turn) -> bool:
        """Ask whether the end of a prompt that is too long shall be used."""
        self._reply = None
        self._host.say("ready")
        turn.note(error.message, failed=True)
        question = f"{error.message}. The model can read the end of it."
        return await self._host.choose(question, "Use its end", "Back to the prompt")
