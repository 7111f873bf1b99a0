"""A turn of the conversation: a prompt with what the model made of it, repainted where something came."""

from __future__ import annotations

import time
from collections.abc import Sequence

from textual.app import ComposeResult, RenderResult
from textual.content import Content
from textual.timer import Timer

from core.messages.records import Beam
from core.text.visible import visible
from tui.transcript.sequence_columns import LiveText, SideBySide, column_content
from tui.transcript.tally import Tally

REPAINT_S, REPAINT_SEVERAL_S = 0.05, 0.1
"""How often streamed text is painted at most; several sequences have more lines to paint."""

RETUNED = "⟲"
"""Stands where other settings began to act."""

PROMPT_SHOWN = 2_000
"""How many characters of a long prompt are painted: its end."""


class Turn(LiveText):
    """One prompt, the text or the texts written after it, and a line about the run."""

    def __init__(self, prompt: str, note: str) -> None:
        super().__init__()
        self.prompt = prompt
        self.outputs: list[str] = [""]
        """One text for each sequence; kept when a run fails or is stopped."""
        self.is_chat = False
        """Whether the outputs are answers, which stand below the prompt, and no continuation of it."""
        self._tallies = [Tally()]
        """By sequence."""
        self._written_before = ""
        """What every sequence of the newest run goes on after."""
        self._retuned_at: list[list[int]] = []
        """Where other settings began to act: for each time, the length of each output."""
        self._note = note
        self._failed = False
        self._columns: SideBySide | None = None
        """Of several sequences, once they are composed."""
        self._composed = False
        self._unpainted: set[int] = set()
        """Sequences with text that is not painted yet."""
        self._painted_s = 0.0
        self._paint_later: Timer | None = None

    def compose(self) -> ComposeResult:
        """Nothing for one text; for several what they share, a column for each, and the line about the run."""
        self._painted_s = time.monotonic()
        self._composed = True
        self._columns = None
        if self._several:
            columns = [self._column(sequence) for sequence in range(len(self.outputs))]
            self._columns = SideBySide(self._shared(), columns, self._note_content())
            yield self._columns

    def on_mount(self) -> None:
        """Paint the prompt at once."""
        self._paint()

    def render(self) -> RenderResult:
        """One text; several are painted by their columns."""
        return "" if self._several else super().render()

    @property
    def text(self) -> str:
        """The prompt and the first continuation, as a next run would read them."""
        return self.prompt + self.outputs[0]

    def begin(self, sequences: int, note: str) -> None:
        """A run starts: every sequence goes on after what the first one wrote before."""
        self._written_before = self.outputs[0]
        self._retuned_at = [lengths[:1] * sequences for lengths in self._retuned_at]
        self._show_sequences([self._written_before] * sequences, [Tally()] * sequences)
        self.note(note)

    def append(self, sequence: int, text: str, logprob: float) -> None:
        """Add a token's text to one continuation; it is painted at once, or soon when something was painted just now.

        Args:
            sequence: which continuation.
            text: what the token adds.
            logprob: natural log of the token's probability, by the model's own softmax.
        """
        self.outputs[sequence] += text
        self._tallies[sequence] = self._tallies[sequence].with_token(logprob)
        self._unpainted.add(sequence)
        if self._paint_later is None:
            pause_s = REPAINT_SEVERAL_S if self._several else REPAINT_S
            wait_s = self._painted_s + pause_s - time.monotonic()
            if wait_s <= 0:
                self._paint_news()
            else:
                self._paint_later = self.set_timer(wait_s, self._paint_news)

    def show_beams(self, beams: Sequence[Beam], tokens: int, note: str) -> None:
        """Show the best of the beams that are followed, as many as there are sequences.

        Args:
            beams: best first.
            tokens: how many each has written.
            note: the line about the run.
        """
        for sequence, beam in enumerate(beams[: len(self.outputs)]):
            self.outputs[sequence] = self._written_before + beam.text
            self._tallies[sequence] = Tally(tokens=tokens, score=beam.score)
        self.note(note)

    def mark_retune(self) -> None:
        """Show where other settings begin to act."""
        self._retuned_at.append([len(output) for output in self.outputs])
        self._paint()

    def finish(self, sequence: int, text: str, tally: Tally) -> None:
        """One continuation is complete.

        Args:
            sequence: which.
            text: all that the run added to it.
            tally: of its new tokens.
        """
        self.outputs[sequence] = self._written_before + text
        self._tallies[sequence] = tally
        self._unpainted.add(sequence)
        self._paint_news()

    def recall(
        self,
        before: str,
        added: Sequence[str],
        tallies: Sequence[Tally],
        retuned_at: Sequence[Sequence[int]],
        note: str,
    ) -> None:
        """Show what was written in an earlier sitting.

        Args:
            before: what the runs before the newest one wrote after the prompt.
            added: what each sequence of the newest run added.
            tallies: of those.
            retuned_at: where other settings began to act: for each time, the length of each output.
            note: the line about the run.
        """
        self._written_before = before
        self._retuned_at = [list(lengths) for lengths in retuned_at]
        self._show_sequences([before + text for text in added], tallies)
        self.note(note)  # before it is mounted, so that it has its height from the first layout on

    def note(self, text: str, *, failed: bool = False) -> None:
        """Replace the line about the run, and paint."""
        self._note, self._failed = text, failed
        self._paint()

    @property
    def _several(self) -> bool:
        return len(self.outputs) > 1

    def _show_sequences(self, outputs: Sequence[str], tallies: Sequence[Tally]) -> None:
        """Take other texts; another number of them needs other widgets."""
        other = len(outputs) != len(self.outputs)
        self.outputs, self._tallies = list(outputs), list(tallies)
        if other and self._composed:
            self._columns = None
            self.refresh(recompose=True)

    def _paint(self) -> None:
        """Paint everything."""
        self._unpainted.update(range(len(self.outputs)))
        if self._columns is not None:
            self._columns.show_around(self._shared(), self._note_content())
        self._paint_news()

    def _paint_news(self) -> None:
        """Paint the sequences that something came for."""
        if self._paint_later is not None:
            self._paint_later.stop()
            self._paint_later = None
        self._painted_s = time.monotonic()
        if self._columns is not None:
            for sequence in self._unpainted:
                self._columns.show(sequence, self._column(sequence))
        elif not self._several:
            self.show(Content.assemble(*self._prompt_parts(), *self._marked(0), "\n", self._note_content()))
        self._unpainted.clear()

    def _prompt_parts(self) -> list[Content | str | tuple[str, str]]:
        hidden = len(self.prompt) - PROMPT_SHOWN
        before = f"… {hidden:,} characters before …\n" if hidden > 0 else ""
        prompt = visible(self.prompt[-PROMPT_SHOWN:], layout=True) + "\n" * self.is_chat
        return [(before, "$text-muted"), (prompt, "bold $text-accent")]

    def _shared(self) -> Content:
        """What several sequences go on after."""
        return Content.assemble(*self._prompt_parts(), *self._marked(0, last=len(self._written_before)))

    def _column(self, sequence: int) -> Content:
        """One of several sequences: what the run added to it."""
        text = self._marked(sequence, len(self._written_before))
        return column_content(sequence + 1, self._tallies[sequence], text)

    def _note_content(self) -> Content:
        return Content.styled(visible(self._note), "$text-error" if self._failed else "$text-muted")

    def _marked(self, sequence: int, first: int = 0, last: int | None = None) -> list[str | tuple[str, str]]:
        """A stretch of an output, to its end unless `last` is given, with a sign where other settings began to act."""
        is_end = last is None
        output = self.outputs[sequence]
        last = len(output) if last is None else last
        places = {lengths[sequence] for lengths in self._retuned_at}
        parts: list[str | tuple[str, str]] = []
        for place in sorted(place for place in places if place and first <= place < last + is_end):
            parts += [visible(output[first:place], layout=True), (RETUNED, "$text-warning")]
            first = place
        parts.append(visible(output[first:last], layout=True))
        return parts
