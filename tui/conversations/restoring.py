"""Turns and runs made anew from a conversation's file: all of them at once, each filled when it is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from core.history.conversation_reader import SavedConversation, SavedRun
from core.messages.protocol import BeamsAdvanced, Event, SequenceDone
from tui.transcript.kept_run import KeptRun
from tui.transcript.tally import Tally
from tui.transcript.turn import Turn

FIRST_TURNS, PAGE_TURNS = 20, 50
"""How many turns are shown at first, and how many more come at once."""

PAGE_BYTES = 4 * 2**20
"""How much of the file is parsed for them at most; one turn comes whatever its length."""


class Restored:
    """A conversation of an earlier sitting."""

    def __init__(self, saved: SavedConversation) -> None:
        """Make every turn and run, without what was written."""
        self.saved = saved
        self.turns: dict[int, Turn] = {}
        """By their number in the file."""
        self.kept: list[KeptRun] = []
        """In the file's order, so that a run's place here is its number there."""
        self._unread: dict[int, list[int]] = {}
        """The runs of turns that are not filled yet, by turn."""
        for number, run in enumerate(saved.runs):
            turn = self.turns.get(run.place.turn)
            if turn is None:
                turn = self.turns[run.place.turn] = Turn(run.place.shown_prompt or run.started.prompt, "")
            turn.is_chat = turn.is_chat or (run.started.chat and turn.prompt == run.started.prompt)
            self.kept.append(_kept_run(run, turn, number - 1))
            self._unread.setdefault(run.place.turn, []).append(number)
        self.hidden = sorted(self.turns)
        """The turns that are not shown yet, oldest first."""

    @property
    def last_turn(self) -> Turn | None:
        """The turn of the last run; None without one."""
        return self.turns[self.saved.runs[-1].place.turn] if self.saved.runs else None

    def next_page(self) -> list[Turn]:
        """Fill the newest turns that are not shown yet, and count them as shown.

        Raises:
            ConversationDamagedError: the file is not what it should be.
        """
        page: list[int] = []
        size = 0
        most = PAGE_TURNS if len(self.hidden) < len(self.turns) else FIRST_TURNS
        for number in reversed(self.hidden[-most:]):
            size += sum(self.saved.runs[run].bytes for run in self._unread.get(number, ()))
            if page and size > PAGE_BYTES:
                break
            page.insert(0, number)
        for number in page:
            self._fill(number)
        del self.hidden[len(self.hidden) - len(page) :]
        return [self.turns[number] for number in page]

    def fill(self, run: KeptRun) -> None:
        """Have everything there that was recorded of a run.

        Raises:
            ConversationDamagedError: the file is not what it should be.
        """
        if run in self.kept:
            self._fill(self.saved.runs[self.kept.index(run)].place.turn)

    def _fill(self, turn: int) -> None:
        if turn not in self._unread:
            return
        events = {number: self.saved.events(self.saved.runs[number]) for number in self._unread[turn]}
        del self._unread[turn]
        before = after = ""
        added = [""]
        tallies = [Tally()]
        retuned_at: list[list[int]] = []
        note = ""
        for number, told in events.items():
            run = self.kept[number]
            for event in told:
                run.take(event)
            before = after
            retuned_at = [lengths[:1] * len(run.steps) for lengths in retuned_at]
            for index, _ in run.retunes:
                lengths = (len("".join(step.text for step in steps[:index])) for steps in run.steps)
                retuned_at.append([len(before) + length for length in lengths])
            added = _texts(run, told)
            after = before + added[0]
            tallies = [run.tally(sequence) for sequence in range(len(run.steps))]
            note = f"{_ending(run)} · {run.way()}"
        self.turns[turn].recall(before, added, tallies, retuned_at, note)


def _kept_run(run: SavedRun, turn: Turn, before: int) -> KeptRun:
    started, place = run.started, run.place
    kept = KeptRun(
        turn,
        started.prompt,
        started.prompt_ids,
        started.params,
        started.info,
        [[] for _ in range(started.params.num_return_sequences)],
    )
    kept.parent, kept.parent_sequence = place.parent, place.parent_sequence
    kept.branch_at, kept.taken = place.branch_at, place.taken
    kept.chat, kept.after = started.chat, before
    return kept


def _texts(run: KeptRun, events: Sequence[Event]) -> list[str]:
    """What each sequence wrote, as far as it came."""
    texts = ["".join(step.text for step in steps) for steps in run.steps]
    for event in events:
        match event:
            case BeamsAdvanced():
                for sequence, beam in enumerate(event.beams[: len(texts)]):
                    texts[sequence] = beam.text
            case SequenceDone():
                texts[event.sequence] = event.text
    return texts


def _ending(run: KeptRun) -> str:
    if len(run.ends) == len(run.steps):
        return run.ending()
    count = sum(map(len, run.steps))
    return f"{count} token{'' if count == 1 else 's'} · cut short when the app or its engine ended, ctrl+n writes on"
