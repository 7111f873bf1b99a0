"""Question answering: the piece of a text that answers a question, marked in the text."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Input, Static, TextArea

from core.errors import InputError
from core.lab.question_answering import EXAMPLE_MODEL, AnsweredQuestion, AnswerQuestion, AnswerSpan
from core.lab.records import Answer, Question
from core.text.visible import visible
from tui.lab.catalogue import Lab
from tui.lab.pane import LabPane
from tui.widgets.bars import bar, fit
from tui.widgets.fields import Area, Field

EXAMPLE_QUESTION = "Where did the cat sleep?"
EXAMPLE_CONTEXT = (
    "Mia looked for her cat all day. It was not in the garden and not under the bed. In the end she found it: the cat "
    "slept in a basket full of warm towels."
)
AROUND = 400
"""How many characters of the context are shown on each side of the answer."""

MARKS = "▸", "◂"


class AnswerPane(LabPane):
    """A question and a text in, the best piece of the text out."""

    MODELS: ClassVar[dict[str, str]] = {"model": ""}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "next_span", "Next span", tooltip="Mark the next best answer in the text", priority=True),
    ]
    HELP = f"""\
# Question answering

A BERT fine-tuned on SQuAD answers a question with a piece of the text it is given, so it can quote but not invent. \
For every token it says how likely the answer starts there and how likely it ends there, two softmaxes over the text; \
the score of a piece is the product of its start and its end. A long text is read in overlapping windows of 384 \
tokens, the question in front of each, and the best piece of all windows wins.

No starter answers questions: name a folder or a model of your Hugging Face cache, such as {EXAMPLE_MODEL}, and press \
Enter. The best piece stands between ▸ and ◂; **ctrl+t** marks the next one. *No answer here* is the probability that \
models trained on SQuAD 2 give to [CLS]; for others it means nothing.
"""

    asked = query_one("#answer-question", Input)
    context = query_one("#answer-context", TextArea)
    spans = query_one("#answer-spans", Static)
    marked = query_one("#answer-marked", Static)

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._answered: AnsweredQuestion | None = None
        self._asked_context = ""
        """The text that the answer's positions belong to."""
        self._rank = 0
        """Which span is marked, 0-based."""
        self._waits = False
        """Whether a question has no answer yet."""

    def compose_body(self) -> ComposeResult:
        """The question, the text, the spans, the text with the marks."""
        yield Field(EXAMPLE_QUESTION, id="answer-question", compact=True)
        yield Area(EXAMPLE_CONTEXT, id="answer-context", soft_wrap=True)
        with VerticalScroll():
            yield Static("", id="answer-spans")
            yield Static("", id="answer-marked")

    def on_mount(self) -> None:
        """Say where a model is missing, and which."""
        super().on_mount()
        self.query_one("#answer-model", Input).placeholder = f"e.g. {EXAMPLE_MODEL}"

    def question(self) -> Question | None:
        """Ask once there are a model, a question and a text."""
        for what, text in (("question", self.asked.value), ("text", self.context.text)):
            if not text.strip():
                raise InputError(f"the {what} is empty", "write at least one word")
        if not self.model():
            self.show_note(
                "no starter answers questions: go up to model, give a model fine-tuned on SQuAD, such as "
                f"{EXAMPLE_MODEL}, and press Enter"
            )
            return None
        self._asked_context, self._waits = self.context.text, True
        return AnswerQuestion(self.model(), self.asked.value, self._asked_context)

    def show_answer(self, answer: Answer) -> None:
        """List the spans and mark the best."""
        assert isinstance(answer, AnsweredQuestion)
        self._answered, self._rank, self._waits = answer, 0, False
        self._paint()
        windows = f"{answer.windows} windows" if answer.windows > 1 else "one window"
        self.show_note(f"{answer.model}, {windows}; no answer here {answer.no_answer:.1%}")

    def show_end(self) -> None:
        """Say so when the question was stopped."""
        if self._waits:
            self.show_note("stopped; Enter in the question asks again")

    def action_next_span(self) -> None:
        """Mark the next best span, after the last the best again."""
        if self._answered is not None and self._answered.spans:
            self._rank = (self._rank + 1) % len(self._answered.spans)
            self._paint()

    @on(TextArea.Changed)
    def _follow_context(self, event: TextArea.Changed) -> None:
        event.stop()
        self.ask_soon()

    @on(Input.Changed, "#answer-question")
    def _follow_question(self, event: Input.Changed) -> None:
        event.stop()
        self.ask_soon()

    @on(Input.Submitted, "#answer-question")
    def _ask(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask()

    def _paint(self) -> None:
        assert self._answered is not None
        self.spans.update(
            Content("").join(_span_row(span, place == self._rank) for place, span in enumerate(self._answered.spans))
        )
        spans = self._answered.spans
        self.marked.update(_marked(self._asked_context, spans[self._rank]) if spans else Content("no span was found"))


def _span_row(span: AnswerSpan, is_marked: bool) -> Content:
    """`▸1 a basket  ████░░░░ 61.0%  start 80% × end 76%`."""
    return Content.assemble(
        (f"{MARKS[0] if is_marked else ' '}{span.rank} {fit(span.text, 16)} ", "bold" if is_marked else ""),
        (bar(span.score, 8), "$success"),
        f" {span.score:>6.1%}",
        (f" start {span.start_prob:>4.0%} × end {span.end_prob:>4.0%}\n", "$text-muted"),
    )


def _marked(context: str, span: AnswerSpan) -> Content:
    """The span in its surroundings, between marks."""
    low, high = max(0, span.start - AROUND), min(len(context), span.end + AROUND)
    before, after = visible(context[low : span.start], layout=True), visible(context[span.end : high], layout=True)
    return Content.assemble(
        "\n" + ("… " if low else ""),
        before,
        (f"{MARKS[0]}{visible(context[span.start : span.end], layout=True)}{MARKS[1]}", "bold reverse"),
        after,
        " …" if high < len(context) else "",
    )
