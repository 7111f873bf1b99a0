"""The X-ray's hand: which run the ribbon shows, and what is looked at in it."""

from __future__ import annotations

import math
from collections.abc import Callable

from core.backends.abilities import check_can, needs
from core.backends.backend import Backend
from core.errors import EngineError
from core.messages.protocol import Scored, ScoreTokens
from core.messages.records import StepRecord, TokenScore
from tui.host import Host
from tui.main.live_candidates import LiveCandidates, Subject
from tui.main.panes.ribbon import RibbonPane
from tui.transcript.kept_run import Departure, History, KeptRun
from tui.widgets.ribbon_view import RibbonToken


class Xray:
    """Shows kept runs token by token."""

    def __init__(
        self,
        host: Host,
        backend: Backend,
        history: History,
        pane: RibbonPane,
        candidates: LiveCandidates,
        fill: Callable[[KeptRun], None],
    ) -> None:
        """Prepare; nothing is shown yet.

        Args:
            host: the screen.
            backend: what scores prompts.
            history: the runs that can be shown.
            pane: where they are shown.
            candidates: shows what a token was chosen from.
            fill: has everything there that was recorded of a run.
        """
        self._host = host
        self._backend = backend
        self._history = history
        self._pane = pane
        self._candidates = candidates
        self._fill = fill
        self._run: KeptRun | None = None
        self._sequence = 0
        self._scores: dict[tuple[str, tuple[int, ...]], tuple[TokenScore, ...]] = {}
        """Scored prompts, by model and ids."""

    def open(self) -> bool:
        """Show the newest run; False when there is none."""
        kept = self._history.kept
        if not kept:
            return False
        self._show(kept[-1], 0, cursor=len(kept[-1].prompt_ids))
        return True

    @property
    def shown(self) -> tuple[KeptRun, int] | None:
        """The run that is looked at and which of its sequences; None before the first look."""
        return None if self._run is None else (self._run, self._sequence)

    def show(self, run: KeptRun, sequence: int, index: int) -> None:
        """Show a sequence of a kept run, the cursor on its new token `index`."""
        self._show(run, sequence, cursor=len(run.prompt_ids) + index)

    def step(self, runs: int, sequences: int) -> None:
        """Show a neighbouring run, or another sequence of this one."""
        kept = self._history.kept
        if self._run is None:
            return
        if runs:
            place = max(0, min(len(kept) - 1, kept.index(self._run) + runs))
            self._show(kept[place], 0, cursor=len(kept[place].prompt_ids))
        else:
            sequence = (self._sequence + sequences) % len(self._run.steps)
            self._show(self._run, sequence, cursor=self._pane.view.cursor)

    def look_at(self, token: RibbonToken) -> None:
        """Show the candidates that a token was chosen from."""
        run = self._run
        if run is None:
            return
        place = len(run.prompt_ids) + token.index
        if place < 1:
            return
        ids = (*run.prompt_ids, *(step.id for step in run.steps[self._sequence]))
        text = "".join(step.text for step in run.steps[self._sequence][: max(0, token.index)])
        scores = self._scores.get((run.info.name, run.prompt_ids), ())
        prompt = run.prompt + text if token.index >= 0 else "".join(score.text for score in scores[:place])
        where = f"new token {token.index + 1}" if token.index >= 0 else f"token {place + 1} of the prompt"
        departure = Departure(self._history.kept.index(run), self._sequence, token.index)
        subject = Subject(prompt, ids[:place], token.id, where, departure)
        self._candidates.look_at(subject, run.params_at(max(0, token.index)))

    def _show(self, run: KeptRun, sequence: int, *, cursor: int) -> None:
        self._fill(run)
        self._run, self._sequence = run, sequence
        scores = self._scores.get((run.info.name, run.prompt_ids))
        number = self._history.kept.index(run) + 1
        title = f"run {number} of {len(self._history.kept)}"
        if len(run.steps) > 1:
            title += f", sequence {sequence + 1} of {len(run.steps)}"
        ends = [end for end in run.ends if end.sequence == sequence]
        tokens = [*_prompt_tokens(run, scores), *_new_tokens(run, run.steps[sequence])]
        params = run.params_at(max(0, len(run.steps[sequence]) - 1))
        self._pane.show_run(title, tokens, ends[0].stats if ends else None, params, cursor=cursor)
        if scores is None:
            self._host.work(self._score(run), "score")

    async def _score(self, run: KeptRun) -> None:
        """Have the prompt's own tokens scored, then show them."""
        scores: list[TokenScore] = []
        try:
            request = ScoreTokens(self._host.target, run.prompt_ids)
            check_can(self._host.model, *needs(request))
            async for event in await self._backend.send(request):
                if isinstance(event, Scored):
                    scores += event.scores
        except EngineError as error:
            self._host.tell(str(error), failed=True)
            return
        self._scores[run.info.name, run.prompt_ids] = tuple(scores)
        if self._run is run and run in self._history.kept:
            self._show(run, self._sequence, cursor=self._pane.view.cursor)


def _prompt_tokens(run: KeptRun, scores: tuple[TokenScore, ...] | None) -> list[RibbonToken]:
    count = len(run.prompt_ids)
    if scores is None:
        return [
            RibbonToken("…", id_, place - count, 1.0, 0, 0.0, 0.0, 0, 0.0) for place, id_ in enumerate(run.prompt_ids)
        ]
    return [
        RibbonToken(
            score.text, score.id, place - count, math.exp(score.logprob), score.rank, score.entropy, 0.0, 0, 0.0
        )
        for place, score in enumerate(scores)
    ]


def _new_tokens(run: KeptRun, steps: list[StepRecord]) -> list[RibbonToken]:
    changes = run.changes()
    return [
        RibbonToken(
            step.text,
            step.id,
            step.index,
            step.prob,
            step.rank,
            step.entropy,
            step.final_prob,
            step.kept,
            step.kept_mass,
            changes.get(step.index, ""),
        )
        for step in steps
    ]
