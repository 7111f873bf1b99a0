"""Sentiment: a label for each line of a text, and what each word of one line adds to it."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Region
from textual.getters import query_one
from textual.widgets import Static, TextArea

from core.lab.records import Answer, Question
from core.lab.sentiment import LeftOutWord, ReadSentiment, Sentiment
from core.models.registry import DEFAULT_SENTIMENT
from core.text.visible import visible
from tui.lab.catalogue import Lab
from tui.lab.pane import LabPane
from tui.widgets.bars import EMPTY, FULL, bar, fit
from tui.widgets.fields import Area

SENTIMENT_EXAMPLE = """\
A warm, funny and clever film.
The plot is dull and far too long.
not good at all"""

_LABEL_CELLS, _BAR_CELLS, WORD_CELLS, HALF_CELLS = 10, 10, 16, 12
LEAST_SCALE = 0.1
"""A full bar never stands for less, so that words that hardly matter look like it."""
MOST_LINES = 500
"""Lines shown; the command line takes any number."""


class SentimentPane(LabPane):
    """Texts in, one a line; a bar for each, and the words of the line under the cursor."""

    MODELS: ClassVar[dict[str, str]] = {"model": DEFAULT_SENTIMENT}
    HELP = """\
# Sentiment

A BERT fine-tuned on SST-2, a collection of film reviews, turns a text into two probabilities that add up to 1: \
NEGATIVE and POSITIVE. To see what its answer hangs on, each word is left out in turn and the rest is read again: if \
the label loses probability, the word spoke for it (+, bar to the right), and if it gains, against it (−, bar to the \
left). The numbers need not add up to anything, because words work together, as in *not bad*.

Write one text a line; each is answered as you type. The words below belong to the line that the cursor is on; **Tab** \
goes to the lists, to scroll them.
"""

    texts = query_one("#sentiment-texts", TextArea)
    lines = query_one("#sentiment-lines", Static)
    words = query_one("#sentiment-words", Static)

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._known: dict[str, Sentiment] = {}
        """What the model made of the texts that stand there now."""
        self._asked_model = ""
        self._awaited: set[str] = set()
        """Texts that the question in hand has not answered yet."""
        self._explains = False
        """Whether it asks for words."""
        self._explained: set[str] = set()

    def compose_body(self) -> ComposeResult:
        """The texts, a row for each, the words of one."""
        yield Area(SENTIMENT_EXAMPLE, id="sentiment-texts")
        with VerticalScroll(id="sentiment-lines-box"):
            yield Static("", id="sentiment-lines")
        with VerticalScroll(id="sentiment-words-box"):
            yield Static("", id="sentiment-words")

    def question(self) -> Question | None:
        """Ask about new lines first, then about the words of the line under the cursor."""
        lines = dict.fromkeys(line.strip() for line in self._lines() if line.strip())
        if self.model() != self._asked_model:
            self._known.clear()
            self._explained.clear()
        self._asked_model = self.model()
        self._known = {text: answer for text, answer in self._known.items() if text in lines}
        self._explained &= self._known.keys()
        self._paint()
        current = self._current()
        missing = tuple(text for text in lines if text not in self._known)
        if not lines:
            self.show_note("write a text; each line is one")
        elif missing and missing != (current,):
            return self._wait_for(ReadSentiment(self.model(), missing))
        elif current and (missing or current not in self._explained):
            return self._wait_for(ReadSentiment(self.model(), (current,), contributions=True))
        return None

    def show_answer(self, answer: Answer) -> None:
        """Keep the answer for one line, and show it."""
        assert isinstance(answer, Sentiment)
        self._known[answer.text] = answer
        self._awaited.discard(answer.text)
        if self._explains:
            self._explained.add(answer.text)
        if not self._awaited:
            cut = ", cut to its positions" if answer.truncated else ""
            self.show_note(answer.pair_note or f"{answer.model}{cut}")

    def show_end(self) -> None:
        """Go on with what is still to be asked, unless this question was stopped."""
        self._paint()
        if self._awaited:
            self.show_note("stopped")
        else:
            self.ask()

    def on_resize(self, event: events.Resize) -> None:
        """Give the lines the room there is."""
        self._paint()

    @on(TextArea.Changed)
    def _follow(self, event: TextArea.Changed) -> None:
        event.stop()
        self.ask_soon()

    @on(TextArea.SelectionChanged)
    def _follow_cursor(self, event: TextArea.SelectionChanged) -> None:
        event.stop()
        self._paint()
        self.ask_soon()

    def _wait_for(self, question: ReadSentiment) -> ReadSentiment:
        self._awaited, self._explains = set(question.texts), question.contributions
        return question

    def _lines(self) -> list[str]:
        return self.texts.text.split("\n")

    def _current(self) -> str:
        """The line under the cursor; empty when it is blank."""
        lines, row = self._lines(), self.texts.cursor_location[0]
        return lines[row].strip() if row < len(lines) else ""

    def _paint(self) -> None:
        """A row for each line, and the words of the one under the cursor."""
        cells = max(8, self.lines.container_size.width - _LABEL_CELLS - _BAR_CELLS - 12)
        row, current_row = self.texts.cursor_location[0], 0
        rows: list[Content] = []
        lines = [(place, line.strip()) for place, line in enumerate(self._lines()) if line.strip()]
        for place, text in lines[:MOST_LINES]:
            if place == row:
                current_row = len(rows)
            rows.append(_line_row(text, self._known.get(text), place == row, cells))
        if len(lines) > MOST_LINES:
            rows.append(Content(f"… and {len(lines) - MOST_LINES:,} more; nlp-tui sentiment --file reads them all"))
        self.lines.update(Content("\n").join(rows))
        box = self.query_one("#sentiment-lines-box", VerticalScroll)
        box.call_after_refresh(box.scroll_to_region, Region(0, current_row, 1, 1), animate=False)
        answer = self._known.get(self._current())
        self.words.update(_words(answer) if answer is not None else "")


def _line_row(text: str, answer: Sentiment | None, is_current: bool, cells: int) -> Content:
    marker = "▸" if is_current else " "
    if answer is None:
        return Content(f"{marker}{'…':<{_LABEL_CELLS + _BAR_CELLS + 9}} {fit(text, cells)}")
    best = max(score.prob for score in answer.scores)
    whole = bar(best, _BAR_CELLS)
    filled = whole.rstrip(EMPTY)
    return Content.assemble(
        f"{marker}{fit(answer.label, _LABEL_CELLS)} ",
        (filled, "$success"),
        (whole[len(filled) :], "$text-muted"),
        (f" {best:>6.1%} ", "bold"),
        fit(text, cells),
    )


def _words(answer: Sentiment) -> Content:
    """Every label's probability, then the words with bars to either side."""
    scores = "  ".join(f"{score.label} {score.prob:.1%}" for score in answer.scores)
    parts: list[Content | str | tuple[str, str]] = [(f"\n{visible(scores)}\n", "bold")]
    if answer.words:
        full = max(LEAST_SCALE, *(abs(word.contribution) for word in answer.words))
        sides = f"{'against −':>{HALF_CELLS}}│{'+ for':<{HALF_CELLS}}"
        parts.append((f"{fit(answer.label, WORD_CELLS)} {sides} full bar {full:.2f}\n", "$text-muted"))
        parts += [_word_row(word, full) for word in answer.words]
    return Content.assemble(*parts)


def _word_row(word: LeftOutWord, full: float) -> Content:
    """A word, a bar to the left or right of the middle, its number; a contribution of `full` fills its half."""
    cells = round(abs(word.contribution) / full * HALF_CELLS)
    left = (FULL * cells if word.contribution < 0 else "").rjust(HALF_CELLS)
    right = (FULL * cells if word.contribution > 0 else "").ljust(HALF_CELLS)
    return Content.assemble(
        f"{fit(word.word, WORD_CELLS)} ",
        (left, "$warning"),
        "│",
        (right, "$success"),
        f" {word.contribution:>+7.3f}\n".replace("-", "−"),
    )
